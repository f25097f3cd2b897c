"""Several processes that want to know of the same files try each once."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.engine import shared_trial
from service.engine.shared_trial import SharedTrial
from tests.service.api.conftest import until
from tests.service.engine.asking_processes import Trial

ROOT = Path(__file__).parents[3]
FOUND = {"a": None, "b": "it is b", "c": None}


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    files = [tmp_path / name for name in ("a", "b", "c")]
    for file in files:
        file.write_text(file.name)
    return files


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return Trial(tmp_path)


@contextmanager
def asking(count: int, files: Sequence[Path]) -> Iterator["subprocess.Popen[bytes]"]:
    """So many processes that ask for these files."""
    command = [sys.executable, "-m", "tests.service.engine.asking_processes", str(count)]
    with subprocess.Popen([*command, files[0].parent, *files], cwd=ROOT, stdout=subprocess.PIPE) as process:  # noqa: S603 - our own
        yield process


def told(process: "subprocess.Popen[bytes]") -> dict[int, dict[str, str | None]]:
    """By process; of those that lived until they knew."""
    lines, _ = process.communicate()
    return dict(json.loads(line) for line in lines.splitlines())


def test_each_file_is_tried_once_for_all_processes(trial: Trial, files: list[Path]) -> None:
    with asking(3, files) as process:
        until(lambda: len(trial.tried) == 1)
        trial.go.touch()
        found = told(process)
    assert list(found.values()) == [FOUND] * 3
    assert [name for _, name in trial.tried] == ["a", "b", "c"]


def test_who_dies_while_it_tries_is_followed_by_another(trial: Trial, files: list[Path]) -> None:
    with asking(2, files) as process:
        until(lambda: len(trial.tried) == 1)
        first = int(trial.tried[0][0])
        os.kill(first, signal.SIGKILL)
        until(lambda: len(trial.tried) == 2)
        trial.go.touch()
        found = told(process)
    assert list(found.values()) == [FOUND]
    assert first not in found
    assert [name for _, name in trial.tried] == ["a", "a", "b", "c"]


def test_a_file_that_changed_is_tried_again(trial: Trial, files: list[Path]) -> None:
    shared = SharedTrial(trial)
    trial.go.touch()
    assert dict(shared(files))[files[1]] == "it is b"
    files[1].write_text("no longer b")
    assert dict(shared(files))[files[1]] is None
    assert [name for _, name in trial.tried] == ["a", "b", "c", "b"]


def test_a_refusal_is_for_those_who_had_asked_by_then(trial: Trial, files: list[Path]) -> None:
    shared = SharedTrial(trial)
    trial.go.touch()
    for _ in range(2):
        assert dict(shared(files[:2])) == {files[0]: None, files[1]: "it is b"}
    assert [name for _, name in trial.tried] == ["a", "b", "b"]


def test_half_a_line_of_a_process_that_was_killed_is_no_matter(trial: Trial, files: list[Path]) -> None:
    shared = SharedTrial(trial)
    trial.go.touch()
    list(shared(files[:1]))
    os.pwrite(shared._file, b'[["half', os.fstat(shared._file).st_size)
    assert dict(shared(files)) == {files[0]: None, files[1]: "it is b", files[2]: None}
    assert [name for _, name in trial.tried] == ["a", "b", "c"]


def test_a_worker_that_is_started_hours_later_tries_nothing_that_the_others_serve(
    trial: Trial, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = SharedTrial(trial)
    trial.go.touch()
    list(shared(files[:1]))
    later = time.monotonic() + 10_000
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert list(shared(files[:1])) == [(files[0], None)]
    assert [name for _, name in trial.tried] == ["a"]


def test_what_is_remembered_does_not_grow_for_ever(
    trial: Trial, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_trial, "_MOST_BYTES", 500)
    shared = SharedTrial(trial)
    trial.go.touch()
    for number in range(20):
        files[0].write_text(number * "x")
        assert list(shared(files[:1])) == [(files[0], None)]
    assert os.fstat(shared._file).st_size < 1000
