"""Who is next: a pure decision, tested without threads."""

from collections.abc import Callable

import numpy as np

from service.engine.costs import Costs
from service.engine.lanes import Lanes
from service.engine.request import Part, Request
from tests.service.engine.conftest import Gate, images

TOGETHER = {1: 1.0, 2: 1.1, 4: 1.2, 8: 1.3}


def waiting(lanes: Lanes, network: Gate, *values: float, arrived: float = 0.0) -> Request:
    request = Request(network, len(values), 60.0, arrived=float(arrived), images=images(*values))
    lanes.admit(request)
    lanes.enqueue(request)
    return request


def values(batch: list[Part]) -> list[float]:
    return [float(value) for part in batch for value in part.images[:, 0, 0, 0]]


def drained(lanes: Lanes) -> list[list[float]]:
    taken = []
    while batch := lanes.take():
        taken.append(values(batch))
    return taken


def test_images_of_several_requests_run_together_and_a_large_request_is_split(gates: Callable[..., Gate]) -> None:
    lanes, network = Lanes(4), gates(costs=Costs(TOGETHER))
    waiting(lanes, network, 1, 2, 3, arrived=1)
    waiting(lanes, network, 4, 5, 6, 7, 8, 9, arrived=2)
    assert drained(lanes) == [[1, 2, 3, 4], [5, 6, 7, 8], [9]]


def test_images_are_counted_not_requests(gates: Callable[..., Gate]) -> None:
    lanes, network = Lanes(4), gates(costs=Costs(TOGETHER))
    waiting(lanes, network, 1, 2, 3)
    assert lanes.images == 3
    lanes.take()
    assert (lanes.images, lanes.ready) == (0, False)


def test_shapes_networks_and_versions_never_share_a_batch(gates: Callable[..., Gate]) -> None:
    lanes, old, new = Lanes(8), gates(costs=Costs(TOGETHER)), gates(costs=Costs(TOGETHER))
    waiting(lanes, old, 1, arrived=1)
    large = Request(old, 1, 60.0, arrived=2.0, images=np.full((1, 1, 3, 3), 2, np.float32))
    lanes.admit(large)
    lanes.enqueue(large)
    waiting(lanes, new, 3, arrived=3)
    waiting(lanes, old, 4, arrived=4)
    assert drained(lanes) == [[1, 4], [2], [3]]


def test_a_model_with_much_work_does_not_hold_up_one_with_little(gates: Callable[..., Gate]) -> None:
    lanes = Lanes(1)
    busy, modest = gates("busy"), gates("modest")
    for value in range(6):
        waiting(lanes, busy, value, arrived=value)
    waiting(lanes, modest, 10, 11, arrived=100)
    assert [batch[0] for batch in drained(lanes)][:5] == [0, 10, 1, 11, 2]


def test_models_share_time_not_turns(gates: Callable[..., Gate]) -> None:
    lanes = Lanes(1)
    slow, quick = gates("slow", Costs({1: 3.0})), gates("quick", Costs({1: 1.0}))
    for value in range(4):
        waiting(lanes, slow, 100 + value, arrived=value)
        for part in range(3):
            waiting(lanes, quick, 3 * value + part, arrived=value)
    order = [batch[0] for batch in drained(lanes)][:8]
    assert sum(value >= 100 for value in order) == 2


def test_a_model_that_comes_back_has_saved_up_nothing(gates: Callable[..., Gate]) -> None:
    lanes = Lanes(1)
    steady, idle = gates("steady"), gates("idle")
    for value in range(9):
        waiting(lanes, steady, value, arrived=value)
    for _ in range(5):
        lanes.take()
    for value in range(4):
        waiting(lanes, idle, 10 + value, arrived=50 + value)
    assert [batch[0] for batch in drained(lanes)][:4] != [10, 11, 12, 13]


def test_work_before_a_request_is_its_fair_share_of_all(gates: Callable[..., Gate]) -> None:
    lanes = Lanes(1)
    busy, modest = gates("busy", Costs({1: 1.0})), gates("modest", Costs({1: 1.0}))
    waiting(lanes, busy, *range(10))
    assert lanes.seconds_before(busy) == 10.0
    waiting(lanes, modest, 1)
    assert lanes.seconds_before(modest) == 2.0
    assert lanes.seconds_before(busy) == 11.0


def test_what_is_admitted_counts_before_its_images_are_there(gates: Callable[..., Gate]) -> None:
    lanes, network = Lanes(1), gates(costs=Costs({1: 1.0}))
    lanes.admit(Request(network, 3, 60.0))
    assert (lanes.images, lanes.seconds_before(network), lanes.ready) == (3, 3.0, False)
    assert lanes.take() == []


def test_who_left_is_passed_over(gates: Callable[..., Gate]) -> None:
    lanes, network = Lanes(8), gates(costs=Costs(TOGETHER))
    first, second = waiting(lanes, network, 1, arrived=1), waiting(lanes, network, 2, arrived=2)
    lanes.forget(first, first.left)
    first.gone = True
    assert lanes.images == 1
    assert drained(lanes) == [[2]]
    assert second.left == 0
