"""The real inspector process: what it answers, and what becomes of it and of others when work goes wrong."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import numpy_helper

from service.engine import model_file
from service.engine.model_file import ModelFile
from service.engine.parted import Parted
from service.errors import DeadlineExceededError, InspectionBusyError, InspectionEndedError, UnknownLayerError
from service.inspector import client, messages
from service.inspector.client import BrokenInspectionError, Inspector
from tests import tiny_models
from tests.service.inspector import questions


@pytest.fixture
def inspector() -> Iterator[Inspector]:
    one = Inspector(2**20)
    yield one
    one.close()


@pytest.fixture
def file(tmp_path: Path) -> ModelFile:
    path = tmp_path / "model.onnx"
    path.write_bytes(tiny_models.classifier().SerializeToString())
    return model_file.read(path)


def answered(inspector: Inspector, work: Callable[..., Any], *args: Any, seconds: float = 60.0) -> Any:
    return asyncio.run(inspector.ask(work, *args, seconds=seconds))


def written(path: Path, *other_than: str) -> str:
    """What stands in the file once it is not empty and none of these."""
    while not path.exists() or (text := path.read_text()) in ("", *other_than):
        time.sleep(0.02)
    return text


def until_true(condition: Callable[[], bool]) -> None:
    """Gives up after a while: the assertions say what of."""
    end = time.monotonic() + 20
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)


def test_questions_are_answered_by_one_other_process_of_lower_priority(inspector: Inspector) -> None:
    first, second = (answered(inspector, questions.process_number) for _ in range(2))
    assert first == second != os.getpid()
    assert answered(inspector, questions.niceness) == os.nice(0) + 10
    assert answered(inspector, questions.gets_only_idle_time)


def test_a_model_file_arrives_as_its_network(inspector: Inspector, file: ModelFile) -> None:
    ((*_, last),) = answered(inspector, questions.layer_ids, file)
    assert last == "dense"
    image = np.ones((3, 8, 8), np.float32)
    assert answered(inspector, questions.first_values, file, image).shape == (1, 5, 8, 8)


def test_a_file_that_was_replaced_on_disk_is_the_one_that_was_loaded(inspector: Inspector, file: ModelFile) -> None:
    assert file.path is not None
    file.path.write_bytes(tiny_models.upscaler().SerializeToString())
    ((*_, last),) = answered(inspector, questions.layer_ids, file)
    assert last == "dense"


def test_so_is_one_whose_large_weights_lie_apart(inspector: Inspector) -> None:
    model = tiny_models.classifier()
    model.graph.initializer.append(numpy_helper.from_array(np.ones((600, 500), np.float32), "large"))
    file = model_file.from_bytes(model.SerializeToString())
    assert file.parted.weights
    assert answered(inspector, questions.weight_sums, file)["large"] == 300_000


def test_two_files_arrive_as_two_networks_also_where_they_have_no_path(inspector: Inspector) -> None:
    files = [model_file.from_bytes(m.SerializeToString()) for m in (tiny_models.classifier(), tiny_models.upscaler())]
    classifier, upscaler = answered(inspector, questions.layer_ids, *files)
    assert (classifier[-1], upscaler[-1]) == ("dense", "conv")


def test_an_error_of_the_domain_arrives_whole(inspector: Inspector) -> None:
    with pytest.raises(UnknownLayerError) as caught:
        answered(inspector, questions.unknown_layer)
    assert (caught.value.detail, caught.value.remedy) == ("no layer named 'con'", "nearest names: conv")
    assert str(caught.value) == "no layer named 'con'; nearest names: conv"


@pytest.mark.parametrize("work", [questions.defect, questions.unpicklable])
def test_a_defect_arrives_with_its_traceback_and_the_process_goes_on(
    inspector: Inspector, work: Callable[..., Any]
) -> None:
    before = answered(inspector, questions.process_number)
    with pytest.raises(BrokenInspectionError, match="Traceback"):
        answered(inspector, work)
    assert answered(inspector, questions.process_number) == before


def test_a_question_that_cannot_be_sent_is_that_questions_error(inspector: Inspector) -> None:
    with pytest.raises(Exception, match="pickle"):
        answered(inspector, questions.layer_ids, lambda: None)
    assert answered(inspector, questions.process_number)


def test_a_question_that_ends_the_process_is_told_so_and_the_next_one_gets_another(inspector: Inspector) -> None:
    before = answered(inspector, questions.process_number)
    with pytest.raises(InspectionEndedError, match="with code 7"):
        answered(inspector, questions.the_end)
    assert answered(inspector, questions.process_number) != before


def test_a_question_whose_process_somebody_kills_is_asked_once_more(inspector: Inspector, tmp_path: Path) -> None:
    assert answered(inspector, questions.killed, 1, str(tmp_path / "once")) == "answered the 2. time"
    with pytest.raises(InspectionEndedError, match="with code -9"):
        answered(inspector, questions.killed, 5, str(tmp_path / "always"))
    assert (tmp_path / "always").read_text() == ".."


def test_a_question_that_is_being_sent_when_the_process_is_killed_is_asked_of_another(
    inspector: Inspector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection stays open until whoever sends has seen that nobody listens."""
    before = answered(inspector, questions.process_number)
    open_then: list[bool] = []

    def sent_late(connection: Connection, message: object) -> None:
        if not open_then:
            os.kill(before, signal.SIGKILL)
            process = inspector._process
            assert process is not None
            until_true(lambda: process._popen.returncode is not None)
            time.sleep(0.5)  # in which it would be closed
            open_then.append(not connection.closed)
        messages.send(connection, message)

    monkeypatch.setattr(client, "send", sent_late)
    assert answered(inspector, questions.process_number) != before
    assert open_then == [True]


def test_an_answer_that_cannot_be_read_ends_the_process_and_the_question_is_asked_of_another(
    inspector: Inspector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before, failures = answered(inspector, questions.process_number), [MemoryError()]

    def received(connection: Connection) -> object:
        if failures:
            raise failures.pop()
        return messages.received(connection)

    monkeypatch.setattr(client, "received", received)
    assert answered(inspector, questions.process_number) != before
    assert "what it says cannot be read" in caplog.text


def test_a_model_that_cannot_be_sent_ends_the_process_that_waits_for_it(
    inspector: Inspector, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [MemoryError()]

    def send_graph(connection: Connection, sha256: str, model: Parted) -> None:
        if failures:
            raise failures.pop()
        messages.send_graph(connection, sha256, model)

    monkeypatch.setattr(client, "send_graph", send_graph)
    before = answered(inspector, questions.process_number)
    file = model_file.from_bytes(tiny_models.classifier().SerializeToString())
    ((*_, last),) = answered(inspector, questions.layer_ids, file)
    assert last == "dense"
    assert answered(inspector, questions.process_number) != before


def test_a_process_that_has_ended_takes_no_question_that_nobody_would_answer(inspector: Inspector) -> None:
    os.kill(answered(inspector, questions.process_number), signal.SIGKILL)
    process = inspector._process
    assert process is not None
    until_true(lambda: process._has_ended)
    assert not process.takes(client._Asked(-1, questions.process_number, ()))
    assert process._waiting == {}


def test_work_ends_when_its_time_is_over_and_the_process_goes_on(inspector: Inspector, tmp_path: Path) -> None:
    before = answered(inspector, questions.process_number)

    async def one_after_the_other() -> Any:
        with pytest.raises(DeadlineExceededError):
            await inspector.ask(questions.until_stopped, str(tmp_path / "started"), seconds=0.5)
        return [await inspector.ask(questions.process_number, seconds=60.0) for _ in range(8)]

    assert set(asyncio.run(one_after_the_other())) == {before}


def test_work_that_does_not_stop_ends_with_its_process_and_the_others_are_asked_again(
    inspector: Inspector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_GRACE_SECONDS", 0.2)
    started, other = tmp_path / "deaf", tmp_path / "other"

    async def scene() -> list[Any]:
        innocent = asyncio.create_task(inspector.ask(questions.until_stopped, str(other), seconds=60.0))
        first = await asyncio.to_thread(written, other)
        with pytest.raises(DeadlineExceededError):
            await inspector.ask(questions.deaf, str(started), seconds=1.0)
        second = await asyncio.to_thread(written, other, first)
        innocent.cancel()
        return [first, second, started.read_text()]

    first, second, deaf = asyncio.run(scene())
    assert deaf == first != second


def test_whoever_is_given_up_while_it_waits_for_its_turn_ends_and_the_process_goes_on(
    inspector: Inspector, file: ModelFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_GRACE_SECONDS", 600.0)  # it is over when the test says so
    long, waiting, until = (tmp_path / name for name in ("long", "waiting", "until"))

    async def scene() -> list[Any]:
        before = await inspector.ask(questions.process_number, seconds=60.0)
        run = asyncio.create_task(inspector.ask(questions.holds_the_turn, file, str(long), str(until), seconds=60.0))
        await asyncio.to_thread(written, long)
        waits = asyncio.create_task(inspector.ask(questions.waits_for_the_turn, file, str(waiting), seconds=60.0))
        await asyncio.to_thread(written, waiting)
        process = inspector._process
        assert process is not None
        asked = process._waiting[max(process._waiting)]
        await asyncio.sleep(0.2)
        waits.cancel()
        await asyncio.to_thread(until_true, lambda: not asked.started or asked.number not in process._waiting)
        process.end_if_still_at(asked)
        until.write_text("now")
        return [await run, before == await inspector.ask(questions.process_number, seconds=60.0)]

    assert asyncio.run(scene()) == ["undisturbed", True]


def test_a_question_that_is_under_way_when_the_service_leaves_starts_no_process(
    inspector: Inspector, tmp_path: Path
) -> None:
    started = tmp_path / "started"

    async def scene() -> None:
        asked = asyncio.create_task(inspector.ask(questions.until_stopped, str(started), seconds=60.0))
        await asyncio.to_thread(written, started)
        await asyncio.to_thread(inspector.close)
        with pytest.raises(InspectionEndedError):
            await asked
        with pytest.raises(InspectionEndedError):
            await inspector.ask(questions.process_number, seconds=60.0)

    asyncio.run(scene())
    assert inspector._process is not None
    assert inspector._process._popen.poll() is not None
    assert started.read_text() == str(inspector._process._popen.pid)


def test_too_many_questions_are_refused_and_not_kept(
    inspector: Inspector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "MAX_WAITING", 1)

    async def scene() -> None:
        first = asyncio.create_task(inspector.ask(questions.until_stopped, str(tmp_path / "one"), seconds=60.0))
        await asyncio.sleep(0)
        with pytest.raises(InspectionBusyError, match="1 questions"):
            await inspector.ask(questions.process_number, seconds=60.0)
        first.cancel()

    asyncio.run(scene())


def test_the_end_of_the_service_ends_the_process(inspector: Inspector) -> None:
    number = answered(inspector, questions.process_number)
    inspector.close()
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)
