"""The totals as the scheduler feeds them, on real threads."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from service.arrays import InputBatch, Scores
from service.engine.scheduler import Scheduler
from service.engine.statistics import Figures, Statistics


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    scheduler = Scheduler(max_batch=4)
    yield scheduler
    scheduler.close()


def images(*values: float) -> InputBatch:
    return np.stack([np.full((1, 1, 1), value, np.float32) for value in values])


def half_a_millisecond(batch: InputBatch) -> Scores:
    time.sleep(0.0005)
    if (batch < 0).any():
        raise ValueError("a negative pixel")
    scores: Scores = batch[:, 0, 0]
    return scores


def test_a_lane_where_nothing_ran_is_all_zero() -> None:
    assert Statistics().of("lane") == Figures()


def test_images_runs_and_requests_are_counted_apart(scheduler: Scheduler) -> None:
    for batch in (images(1), images(2, 3), images(4, 5)):
        scheduler.submit("lane", batch, half_a_millisecond, 60.0).answer.result(10)
    found = scheduler.statistics.of("lane")
    assert (found.images, found.runs) == (5, 3)
    assert (found.success.count, found.queue.count, found.inference.count, found.failure.count) == (3, 3, 3, 0)
    assert {size: total.count for size, total in found.batches.items()} == {1: 1, 2: 2}
    assert found.inference.nanoseconds >= 1_500_000
    assert found.success.nanoseconds == pytest.approx(found.queue.nanoseconds + found.inference.nanoseconds, abs=10)
    assert scheduler.statistics.of("other") == Figures()


def test_requests_that_ran_together_are_one_run_and_a_bad_one_fails_alone(scheduler: Scheduler) -> None:
    gate = threading.Event()

    def held(batch: InputBatch) -> Scores:
        gate.wait(10)
        return half_a_millisecond(batch)

    first = scheduler.submit("first", images(0), held, 60.0)
    good, bad = (scheduler.submit("lane", images(value), half_a_millisecond, 60.0) for value in (1, -1))
    gate.set()
    for request in (first, good):
        request.answer.result(10)
    with pytest.raises(ValueError, match="a negative pixel"):
        bad.answer.result(10)
    found = scheduler.statistics.of("lane")
    assert (found.runs, found.success.count, found.failure.count) == (1, 1, 1)
    assert found.queue.nanoseconds > 0


def test_what_expires_or_is_abandoned_counts_as_failed(scheduler: Scheduler) -> None:
    gate = threading.Event()

    def held(batch: InputBatch) -> Scores:
        gate.wait(10)
        return half_a_millisecond(batch)

    running = scheduler.submit("first", images(0), held, 60.0)
    while running.started is None:
        time.sleep(0.001)
    scheduler.submit("lane", images(1), half_a_millisecond, 0.0)
    assert scheduler.submit("lane", images(1), half_a_millisecond, 60.0).answer.cancel()
    gate.set()
    scheduler.close()
    assert scheduler.statistics.of("lane").failure.count == 2
    assert scheduler.statistics.of("lane").runs == 0
