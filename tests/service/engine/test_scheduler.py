"""The scheduler on real threads; runs are held by events, so that what waits is known exactly."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from service.engine.costs import Costs
from service.engine.request import Request
from service.engine.scheduler import Scheduler
from service.errors import DeadlineExceededError, OverloadedError
from tests.service.engine.conftest import Gate, images

if TYPE_CHECKING:
    from service.arrays import InputBatch

TOGETHER = {1: 0.001, 2: 0.0011, 4: 0.0012}


@pytest.fixture
def gate(gates: Callable[..., Gate]) -> Gate:
    return gates(costs=Costs(TOGETHER))


@pytest.fixture
def scheduler(gate: Gate) -> Iterator[Scheduler]:
    scheduler = Scheduler(max_batch=4, max_waiting=6)
    yield scheduler
    gate.open.set()
    scheduler.close()


def busy(scheduler: Scheduler, gate: Gate) -> Request:
    """The first request, already running: all later ones wait."""
    first = scheduler.submit(gate, images(0), 60.0)
    assert gate.entered.wait(10)
    return first


def first_scores(request: Request) -> list[float]:
    scores: list[float] = request.answer.result(10).scores()[:, 0].tolist()
    return scores


def test_what_waits_meanwhile_runs_together_and_each_gets_its_own_answer(scheduler: Scheduler, gate: Gate) -> None:
    busy(scheduler, gate)
    later = [scheduler.submit(gate, images(value), 60.0) for value in (1, 2, 3)]
    gate.open.set()
    assert [first_scores(request) for request in later] == [[1], [2], [3]]
    assert gate.batches == [[0], [1, 2, 3]]


def test_a_large_request_is_run_in_parts_and_put_together_again(scheduler: Scheduler, gate: Gate) -> None:
    gate.open.set()
    request = scheduler.submit(gate, images(*range(9)), 60.0)
    assert first_scores(request) == list(range(9))
    assert gate.batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]


def test_idle_executors_share_the_parts_of_a_large_request(gate: Gate) -> None:
    scheduler = Scheduler(executors=2, max_batch=4)
    request = scheduler.submit(gate, images(*range(8)), 60.0)
    while len(gate.executors) < 2:  # both have begun although nothing has ended
        time.sleep(0.001)
    assert sorted(gate.executors) == [0, 1]
    gate.open.set()
    assert first_scores(request) == list(range(8))
    scheduler.close()


def test_what_expired_before_an_executor_saw_it_waits_no_more(scheduler: Scheduler, gate: Gate) -> None:
    busy(scheduler, gate)
    late = scheduler.submit(gate, images(1, 2), 0.001)
    while time.monotonic() < late.expires:
        time.sleep(0.001)
    gate.open.set()
    with pytest.raises(DeadlineExceededError):
        late.answer.result(10)
    found = scheduler.statistics.of(late.lane)
    assert (found.waiting_requests, found.waiting_images) == (0, 0)


def test_only_the_bad_image_of_a_batch_fails(scheduler: Scheduler, gate: Gate) -> None:
    busy(scheduler, gate)
    good, mixed = scheduler.submit(gate, images(1), 60.0), scheduler.submit(gate, images(2, -3, 4), 60.0)
    gate.open.set()
    assert first_scores(good) == [1]
    with pytest.raises(ValueError, match="a negative pixel"):
        mixed.answer.result(10).scores()
    pieces = mixed.answer.result(10).pieces
    assert [(piece.start, piece.count, piece.error is None) for piece in pieces] == [
        (0, 1, True),
        (1, 1, False),
        (2, 1, True),
    ]


def test_exactly_the_images_that_do_not_fit_are_refused_the_newest_first(scheduler: Scheduler, gate: Gate) -> None:
    busy(scheduler, gate)
    accepted = [scheduler.submit(gate, images(1, 2), 60.0) for _ in range(3)]
    for _ in range(4):
        with pytest.raises(OverloadedError, match="6 images are waiting") as refusal:
            scheduler.submit(gate, images(3), 60.0)
        assert 1 <= refusal.value.retry_after_seconds <= 30
    gate.open.set()
    assert [first_scores(request) for request in accepted] == [[1, 2]] * 3


def test_a_refusal_can_be_known_before_there_is_anything_to_admit(scheduler: Scheduler, gate: Gate) -> None:
    assert scheduler.refusal(gate, 60.0) is None
    busy(scheduler, gate)
    scheduler.submit(gate, images(1, 2, 3, 4, 5, 6), 60.0)
    refusal = scheduler.refusal(gate, 60.0)
    assert refusal is not None
    assert "6 images are waiting" in str(refusal)


def test_who_could_only_be_answered_too_late_is_refused_at_once(
    scheduler: Scheduler, gate: Gate, gates: Callable[..., Gate]
) -> None:
    slow = gates("slow", Costs({1: 2.0}))
    busy(scheduler, gate)
    scheduler.submit(slow, images(1), 60.0)
    with pytest.raises(OverloadedError, match=r"which takes 2\.0 s") as refusal:
        scheduler.submit(slow, images(2), 2.5)
    assert refusal.value.retry_after_seconds == 3  # a quarter more than it should take, less the 2.5 s
    slow.open.set()
    scheduler.submit(slow, images(3), 6.0)  # has time enough


def test_who_waits_for_its_whole_batch_is_not_promised_the_time_of_one_image(
    scheduler: Scheduler, gate: Gate, gates: Callable[..., Gate]
) -> None:
    together = gates("together", Costs({1: 1.0, 4: 2.0}))
    busy(scheduler, gate)
    for value in (1, 2, 3):
        scheduler.submit(together, images(value), 60.0)
    with pytest.raises(OverloadedError):  # after 1.5 s of work, 2 s for four and not 1 s for one; a quarter more
        scheduler.submit(together, images(4), 4.0)
    together.open.set()
    scheduler.submit(together, images(4), 5.0)


class Told(Costs):
    """Remembers what it was told of runs that were stopped."""

    def __init__(self) -> None:
        super().__init__({1: 1e-9})
        self.at_least: list[int] = []

    def learn_at_least(self, images: int, seconds: float) -> None:
        self.at_least.append(images)
        super().learn_at_least(images, seconds)


def test_a_run_that_was_stopped_teaches_that_it_takes_longer(
    scheduler: Scheduler, gate: Gate, gates: Callable[..., Gate]
) -> None:
    costs = Told()
    endless = gates("endless", costs)
    busy(scheduler, gate)
    first, second = (scheduler.submit(endless, images(value), 60.0) for value in (1, 2))
    gate.open.set()
    assert endless.entered.wait(60)
    scheduler.leave(first)
    assert first_scores(second) == [2]
    assert costs.at_least == [1]
    assert costs.seconds(1) > 1e-9


def test_a_place_is_taken_while_its_images_are_decoded_and_given_back_if_they_never_come(
    scheduler: Scheduler, gate: Gate
) -> None:
    busy(scheduler, gate)
    with scheduler.admitted(gate, 6, 60.0), pytest.raises(OverloadedError):
        scheduler.submit(gate, images(1), 60.0)
    later = scheduler.submit(gate, images(2), 60.0)
    gate.open.set()
    assert first_scores(later) == [2]


def test_fewer_images_than_were_admitted_leave_the_rest_of_the_place_free(scheduler: Scheduler, gate: Gate) -> None:
    busy(scheduler, gate)
    place = scheduler.admit(gate, 6, 60.0)
    scheduler.enqueue(place, images(1))
    scheduler.submit(gate, images(2, 3, 4, 5, 6), 60.0)  # would be refused


def test_an_expired_request_is_answered_in_time_though_busy_and_never_run(scheduler: Scheduler, gate: Gate) -> None:
    busy(scheduler, gate)
    late = scheduler.submit(gate, images(1), 0.05)
    with pytest.raises(DeadlineExceededError, match=r"0\.05 s"):
        asyncio.run(scheduler.answered(late))
    assert not gate.open.is_set()
    scheduler.submit(gate, images(1, 2, 3, 4, 5, 6), 60.0)  # its place is free again
    gate.open.set()
    scheduler.close()
    assert [1] not in gate.batches


def test_a_request_that_nobody_awaits_expires_too(scheduler: Scheduler, gate: Gate) -> None:
    busy(scheduler, gate)
    late = scheduler.submit(gate, images(1), 0.01)
    threading.Event().wait(0.02)
    gate.open.set()
    with pytest.raises(DeadlineExceededError):
        late.answer.result(10)
    assert gate.batches == [[0]]


def test_a_run_that_nobody_waits_for_any_more_is_stopped(scheduler: Scheduler, gate: Gate) -> None:
    request = scheduler.submit(gate, images(1), 0.05)
    assert gate.entered.wait(10)
    with pytest.raises(DeadlineExceededError):
        asyncio.run(scheduler.answered(request))
    assert gate.stops == 1
    assert first_scores(scheduler.submit(gate, images(2), 60.0)) == [2]


def running_together(scheduler: Scheduler, gate: Gate, gates: Callable[..., Gate]) -> list[Request]:
    """Two requests in one batch that has begun and is held."""
    before = gates("before")
    busy(scheduler, before)
    requests = [scheduler.submit(gate, images(value), 60.0) for value in (1, 2)]
    before.open.set()
    assert gate.entered.wait(10)
    return requests


def test_a_stopped_batch_is_not_run_again_in_halves(
    scheduler: Scheduler, gate: Gate, gates: Callable[..., Gate]
) -> None:
    for request in running_together(scheduler, gate, gates):
        scheduler.leave(request)
    scheduler.close()
    assert (gate.batches, gate.stops) == ([[1, 2]], 1)


def test_a_run_that_somebody_still_waits_for_is_not_stopped(
    scheduler: Scheduler, gate: Gate, gates: Callable[..., Gate]
) -> None:
    leaving, staying = running_together(scheduler, gate, gates)
    scheduler.leave(leaving)
    gate.open.set()
    assert first_scores(staying) == [2]
    assert gate.stops == 0


def test_a_request_whose_caller_left_is_never_run(scheduler: Scheduler, gate: Gate) -> None:
    busy(scheduler, gate)

    async def leaves() -> None:
        waiting = asyncio.create_task(scheduler.answered(scheduler.submit(gate, images(1), 60.0)))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    asyncio.run(leaves())
    gate.open.set()
    scheduler.close()
    assert gate.batches == [[0]]


def test_executors_run_side_by_side_and_know_which_they_are(gate: Gate) -> None:
    scheduler = Scheduler(executors=2, max_batch=1)
    requests = [scheduler.submit(gate, images(value), 60.0) for value in (1, 2)]
    while len(gate.batches) < 2:
        threading.Event().wait(0.001)
    gate.open.set()
    assert sorted(first_scores(request)[0] for request in requests) == [1, 2]
    assert sorted(gate.executors) == [0, 1]
    scheduler.close()


def test_a_run_knows_whether_anything_else_ran_or_waited_when_it_began(gates: Callable[..., Gate]) -> None:
    scheduler, network = Scheduler(executors=2, max_batch=1), gates(costs=Costs({1: 0.001}))
    for value in (1, 2):
        scheduler.submit(network, images(value), 60.0)
        assert network.entered.wait(10)
        network.entered.clear()
    assert network.alone == [True, False]
    network.open.set()
    scheduler.close()


def test_what_runs_in_the_calling_thread_fails_as_finely(scheduler: Scheduler, gate: Gate) -> None:
    gate.open.set()
    batch: InputBatch = images(1, -2, 3)
    assert [piece.error is None for piece in scheduler.run_here(gate, batch)] == [True, False, True]


def test_closing_answers_what_waits(scheduler: Scheduler, gate: Gate) -> None:
    busy(scheduler, gate)
    waiting = scheduler.submit(gate, images(1), 60.0)
    gate.open.set()
    scheduler.close()
    assert waiting.answer.done()
