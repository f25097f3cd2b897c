"""The totals as the scheduler feeds them, on real threads."""

import sys
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from service.arrays import InputBatch, Scores
from service.engine.cells import Cells
from service.engine.costs import Costs
from service.engine.scheduler import Scheduler
from service.engine.statistics import Figures, Statistics, Total
from service.engine.turn import Turn
from service.errors import OverloadedError


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    scheduler = Scheduler(max_batch=4)
    yield scheduler
    scheduler.close()


def images(*values: float) -> InputBatch:
    return np.stack([np.full((1, 1, 1), value, np.float32) for value in values])


class Network:
    """Runs a function."""

    def __init__(self, name: str, run: Callable[[InputBatch], Scores]) -> None:
        self.name, self.version, self.costs = name, 1, Costs({1: 0.001, 4: 0.001})
        self._run = run

    def scores(self, batch: InputBatch, _turn: Turn) -> Scores:
        return self._run(batch)


def half_a_millisecond(batch: InputBatch) -> Scores:
    time.sleep(0.0005)
    if (batch < 0).any():
        raise ValueError("a negative pixel")
    scores: Scores = batch[:, 0, 0]
    return scores


LANE = Network("lane", half_a_millisecond)


def test_a_lane_where_nothing_ran_is_all_zero() -> None:
    assert Statistics().of("lane") == Figures()


def test_images_runs_and_requests_are_counted_apart(scheduler: Scheduler) -> None:
    for batch in (images(1), images(2, 3), images(4, 5)):
        scheduler.submit(LANE, batch, 60.0).answer.result(10)
    found = scheduler.statistics.of(("lane", 1))
    assert (found.images, found.runs) == (5, 3)
    assert (found.success.count, found.queue.count, found.inference.count, found.failure.count) == (3, 3, 3, 0)
    assert {size: total.count for size, total in found.batches.items()} == {1: 1, 2: 2}
    assert found.inference.nanoseconds >= 1_500_000
    assert found.success.nanoseconds == pytest.approx(found.queue.nanoseconds + found.inference.nanoseconds, abs=10)
    assert scheduler.statistics.of(("other", 1)) == Figures()


def test_requests_that_ran_together_are_one_run_and_a_bad_one_fails_alone(scheduler: Scheduler) -> None:
    gate = threading.Event()

    def held(batch: InputBatch) -> Scores:
        gate.wait(10)
        return half_a_millisecond(batch)

    first = scheduler.submit(Network("first", held), images(0), 60.0)
    good, bad = (scheduler.submit(LANE, images(value), 60.0) for value in (1, -1))
    gate.set()
    for request in (first, good):
        request.answer.result(10)
    with pytest.raises(ValueError, match="a negative pixel"):
        bad.answer.result(10).scores()
    found = scheduler.statistics.of(("lane", 1))
    assert (found.runs, found.success.count, found.failure.count) == (1, 1, 1)
    assert found.queue.nanoseconds > 0


def test_what_expires_or_is_abandoned_counts_as_failed(scheduler: Scheduler) -> None:
    gate = threading.Event()

    def held(batch: InputBatch) -> Scores:
        gate.wait(10)
        return half_a_millisecond(batch)

    running = scheduler.submit(Network("first", held), images(0), 60.0)
    while running.started is None:
        time.sleep(0.001)
    scheduler.submit(LANE, images(1), 0.0)
    assert scheduler.submit(LANE, images(1), 60.0).answer.cancel()
    gate.set()
    scheduler.close()
    found = scheduler.statistics.of(("lane", 1))
    assert {reason: total.count for reason, total in found.failures.items()} == {"expired": 1, "abandoned": 1}
    assert (found.failure.count, found.runs) == (2, 0)


def test_what_waits_is_counted_until_it_runs_or_is_refused() -> None:
    scheduler, gate = Scheduler(max_batch=4, max_waiting=4), threading.Event()

    def held(batch: InputBatch) -> Scores:
        gate.wait(10)
        return half_a_millisecond(batch)

    running = scheduler.submit(Network("first", held), images(0), 60.0)
    while running.started is None:
        time.sleep(0.001)
    for batch in (images(1, 2), images(3)):
        scheduler.submit(LANE, batch, 60.0)
    with pytest.raises(OverloadedError):
        scheduler.submit(LANE, images(4, 5), 60.0)
    found = scheduler.statistics.of(("lane", 1))
    assert (found.waiting_requests, found.waiting_images) == (2, 3)
    gate.set()
    scheduler.close()
    found = scheduler.statistics.of(("lane", 1))
    assert (found.waiting_requests, found.waiting_images, found.success.count) == (0, 0, 2)
    assert {reason: total.count for reason, total in found.failures.items()} == {"overloaded": 1}


def test_a_run_that_fails_is_an_error(scheduler: Scheduler) -> None:
    with pytest.raises(ValueError, match="a negative pixel"):
        scheduler.submit(LANE, images(-1), 60.0).answer.result(10).scores()
    scheduler.close()
    found = scheduler.statistics.of(("lane", 1)).failures["error"]
    assert (found.count, found.nanoseconds > 0) == (1, True)


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads that take turns a thousand times as often."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(before / 1000)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty")
def test_threads_lose_no_count() -> None:
    statistics = Statistics()

    def count() -> None:
        for number in range(400):
            statistics.answered(number, 2, [0.5, 0.5], 0.25)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = list(statistics.all((), 0.0).values())
    assert [(one.images, one.runs, one.success.count, one.success.seconds) for one in found] == [(8, 4, 8, 6)] * 400


def test_two_that_share_cells_are_one() -> None:
    cells = Cells()
    first, second = Statistics(cells), Statistics(cells)
    first.decoded("lane", 0.5)
    second.decoded("lane", 0.25)
    assert (first.of("lane").decode.count, second.of("lane").decode.seconds) == (2, 0.75)


def test_loads_are_counted_by_model_and_result() -> None:
    statistics = Statistics()
    for seconds, succeeded in ((0.5, True), (0.25, True), (0.125, False)):
        statistics.loaded("grey", seconds, succeeded=succeeded)
    assert statistics.loads() == {("grey", True): Total(2, 0.75), ("grey", False): Total(1, 0.125)}


def test_a_new_verdict_on_a_lane_replaces_the_old_one_and_leaves_others_alone() -> None:
    statistics = Statistics(Cells(2))
    statistics.judged(("a", 1), {"conv": True, "pool": False})
    statistics.judged(("b", 1), {"conv": True})
    statistics.judged(("a", 1), {"pool": True})
    assert statistics.drifted() == {(("a", 1), "pool"): 1, (("b", 1), "conv"): 1}
    statistics.cells.become(1)
    statistics.judged(("a", 1), {"pool": True, "conv": False})
    assert statistics.drifted()[("a", 1), "pool"] == 2
    assert statistics.drifted()[("a", 1), "conv"] == 0
    statistics.cells.release(0)
    assert statistics.drifted() == {(("a", 1), "pool"): 1, (("a", 1), "conv"): 0}


def test_sampled_images_are_counted_by_what_became_of_them() -> None:
    statistics = Statistics()
    statistics.sampled(("a", 1), {"seen": 7, "dropped": 1})
    statistics.sampled(("a", 1), {"failed": 2, "seen": 1})
    assert statistics.live() == {("a", 1): {"seen": 8, "dropped": 1, "failed": 2}}
