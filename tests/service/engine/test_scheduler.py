"""The scheduler on real threads; runs are held by events, so that what waits is known exactly."""

import asyncio
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from service.arrays import InputBatch, Scores
from service.engine.scheduler import Request, Scheduler, answer
from service.errors import DeadlineExceededError, OverloadedError


class Gate:
    """A run that waits until it is opened, and remembers the batches it was given."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = threading.Event()
        self.batches: list[list[float]] = []

    def __call__(self, batch: InputBatch) -> Scores:
        self.batches.append(batch[:, 0, 0, 0].tolist())
        self.entered.set()
        self.open.wait()
        if (batch < 0).any():
            raise ValueError("a negative pixel")
        return batch[:, 0, 0, :2].astype(np.float32)


def images(*values: float) -> InputBatch:
    return np.stack([np.full((1, 2, 2), value, np.float32) for value in values])


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open.set()


@pytest.fixture
def scheduler(gate: Gate) -> Iterator[Scheduler]:
    scheduler = Scheduler(max_batch=4, max_waiting=6)
    yield scheduler
    gate.open.set()
    scheduler.close()


def busy(scheduler: Scheduler, gate: Gate) -> Request:
    """The first request, already running: all later ones wait."""
    first = scheduler.submit("lane", images(0), gate, 60.0)
    assert gate.entered.wait(10)
    return first


def test_what_waits_meanwhile_runs_together_and_each_gets_its_own_answer(scheduler: Scheduler, gate: Gate) -> None:
    busy(scheduler, gate)
    later = [scheduler.submit("lane", images(value), gate, 60.0) for value in (1, 2, 3)]
    gate.open.set()
    assert [request.answer.result(10)[0, 0] for request in later] == [1, 2, 3]
    assert gate.batches == [[0], [1, 2, 3]]


def test_a_batch_holds_whole_requests_up_to_its_limit(scheduler: Scheduler, gate: Gate) -> None:
    busy(scheduler, gate)
    later = [scheduler.submit("lane", images(*pair), gate, 60.0) for pair in ((1, 2, 3), (4, 5))]
    gate.open.set()
    assert later[1].answer.result(10)[:, 0].tolist() == [4, 5]
    assert gate.batches == [[0], [1, 2, 3], [4, 5]]


def test_a_request_above_the_limit_runs_alone(scheduler: Scheduler, gate: Gate) -> None:
    gate.open.set()
    request = scheduler.submit("lane", images(*range(9)), gate, 60.0)
    assert request.answer.result(10)[:, 0].tolist() == list(range(9))


def test_images_of_different_shapes_never_share_a_batch(scheduler: Scheduler, gate: Gate) -> None:
    busy(scheduler, gate)
    small = scheduler.submit("lane", images(1), gate, 60.0)
    large = scheduler.submit("lane", np.full((1, 1, 3, 3), 2, np.float32), gate, 60.0)
    gate.open.set()
    assert (small.answer.result(10)[0, 0], large.answer.result(10)[0, 0]) == (1, 2)
    assert gate.batches == [[0], [1], [2]]


def test_requests_for_an_old_and_a_new_classifier_never_share_a_batch(scheduler: Scheduler, gate: Gate) -> None:
    busy(scheduler, gate)
    new = Gate()
    new.open.set()
    before = scheduler.submit("lane", images(1), gate, 60.0)
    after = scheduler.submit("lane", images(2), new, 60.0)
    gate.open.set()
    assert (before.answer.result(10)[0, 0], after.answer.result(10)[0, 0]) == (1, 2)
    assert (gate.batches, new.batches) == ([[0], [1]], [[2]])


def test_lanes_take_turns_by_age(scheduler: Scheduler, gate: Gate) -> None:
    busy(scheduler, gate)
    for lane, value in (("b", 1), ("a", 2), ("b", 3)):
        last = scheduler.submit(lane, images(value), gate, 60.0)
    gate.open.set()
    last.answer.result(10)
    scheduler.close()
    assert gate.batches == [[0], [1, 3], [2]]


def test_one_bad_request_of_a_batch_fails_alone(scheduler: Scheduler, gate: Gate) -> None:
    busy(scheduler, gate)
    good, bad, also_good = (scheduler.submit("lane", images(value), gate, 60.0) for value in (1, -2, 3))
    gate.open.set()
    assert (good.answer.result(10)[0, 0], also_good.answer.result(10)[0, 0]) == (1, 3)
    with pytest.raises(ValueError, match="a negative pixel"):
        bad.answer.result(10)


def test_exactly_the_requests_that_do_not_fit_are_refused(scheduler: Scheduler, gate: Gate) -> None:
    busy(scheduler, gate)
    for value in range(6):
        scheduler.submit("lane", images(value), gate, 60.0)
    for value in range(4):
        with pytest.raises(OverloadedError, match="6 of at most 6 images are waiting") as refusal:
            scheduler.submit("lane", images(value), gate, 60.0)
        assert 1 <= refusal.value.retry_after_seconds <= 30


def test_an_expired_request_is_answered_in_time_and_never_run(scheduler: Scheduler, gate: Gate) -> None:
    busy(scheduler, gate)
    late = scheduler.submit("lane", images(1), gate, 0.01)
    with pytest.raises(DeadlineExceededError, match=r"0\.01 s"):
        asyncio.run(answer(late))
    gate.open.set()
    scheduler.close()
    assert gate.batches == [[0]]


def test_a_request_whose_caller_left_is_never_run(scheduler: Scheduler, gate: Gate) -> None:
    busy(scheduler, gate)
    assert scheduler.submit("lane", images(1), gate, 60.0).answer.cancel()
    gate.open.set()
    scheduler.close()
    assert gate.batches == [[0]]


def test_closing_answers_what_waits(scheduler: Scheduler, gate: Gate) -> None:
    busy(scheduler, gate)
    waiting = scheduler.submit("lane", images(1), gate, 60.0)
    gate.open.set()
    scheduler.close()
    assert waiting.answer.done()
