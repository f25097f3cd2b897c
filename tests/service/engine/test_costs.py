"""The cost table decides how many waiting images run now; its figures are measured and learnt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.engine.costs import Costs, doubling, measured

FLAT = {1: 0.020, 2: 0.040, 4: 0.080, 8: 0.160}  # a large network on a CPU: a batch saves nothing
STEEP = {1: 0.0001, 2: 0.00011, 4: 0.00013, 8: 0.00017}  # a tiny one: nearly all is the cost of a run
GPU = {1: 1.0, 2: 1.05, 4: 1.2, 8: 2.0}


@pytest.mark.parametrize(
    ("seconds", "padded", "waiting", "cut"),
    [
        (FLAT, False, 8, 1),  # of equals the fewest: the first answer comes sooner
        ({1: 0.0205, 8: 0.1600}, False, 8, 1),  # 2.4 % slower in all, but nobody waits for seven others
        (STEEP, False, 8, 8),
        (STEEP, False, 5, 5),
        (STEEP, False, 100, 8),
        (GPU, True, 3, 3),  # filled up to 4 for 1.2 is cheaper than 2 and 1 for 2.05
        ({1: 1.0, 2: 1.0, 8: 8.0}, True, 3, 2),  # filled up to 8 for 8.0 is dearer than 2 and 1 for 2.0
        ({4: 1.0}, True, 1, 1),  # a network of fixed batch size
        ({4: 1.0}, True, 9, 4),
    ],
)
def test_what_works_off_most_images_a_second_is_cut(
    seconds: dict[int, float], padded: bool, waiting: int, cut: int
) -> None:
    assert Costs(seconds, padded=padded).cut(waiting) == cut


def test_the_images_of_the_first_request_stay_together_where_any_size_is_run() -> None:
    assert Costs(FLAT).cut(8, first=3) == 3
    assert Costs(FLAT).cut(40, first=20) == 8
    assert Costs({1: 1.0, 2: 1.0, 8: 8.0}, padded=True).cut(3, first=3) == 2


@given(st.lists(st.floats(0.001, 10), min_size=1, max_size=6), st.booleans(), st.integers(1, 200))
def test_a_cut_is_never_empty_and_never_more_than_waits_or_fits(
    seconds: list[float], padded: bool, waiting: int
) -> None:
    costs = Costs({2**power: value for power, value in enumerate(seconds)}, padded=padded)
    assert 1 <= costs.cut(waiting) <= min(waiting, costs.largest)


def test_sizes_between_two_measured_ones_are_interpolated_and_larger_ones_take_several_runs() -> None:
    costs = Costs({1: 1.0, 2: 2.0, 4: 3.0})
    assert [costs.seconds(images) for images in (1, 3, 4, 6, 8)] == [1.0, 2.5, 3.0, 5.0, 6.0]


def test_padded_sizes_cost_and_run_as_the_next_one() -> None:
    costs = Costs({1: 1.0, 4: 3.0}, padded=True)
    assert (costs.run_size(2), costs.seconds(2), costs.run_size(1)) == (4, 3.0, 1)


def test_runs_teach_the_table_and_one_slow_run_does_not_spoil_it() -> None:
    costs = Costs({1: 1.0, 2: 1.0})
    costs.learn(1, 100.0)
    assert 1.0 < costs.seconds(1) <= 1.3 + 1e-9
    for _ in range(100):
        costs.learn(1, 0.5)
    assert costs.seconds(1) == pytest.approx(0.5, rel=0.01)
    assert costs.seconds(2) == pytest.approx(0.5, rel=0.01)  # it never ran: it moves along


def test_what_an_image_costs_where_many_wait_is_what_the_runs_took() -> None:
    costs = Costs({1: 1.0, 32: 8.0})
    assert costs.seconds_per_image() == 0.25
    for _ in range(100):
        costs.learn(1, 1.0)
    assert costs.seconds_per_image() == pytest.approx(1.0, rel=0.01)


def test_a_busy_moment_does_not_make_a_network_a_slow_one() -> None:
    costs = Costs({1: 0.0004, 8: 0.0016})
    for _ in range(100):
        costs.learn(1, 0.1)
    assert costs.least_seconds_per_image() == 0.0002


def test_every_size_is_measured_once_it_is_ready() -> None:
    ran: list[int] = []
    costs = measured(list(doubling(6)), ran.append, padded=True)
    assert ran == [size for size in (1, 2, 4, 6) for _ in range(3)]
    assert costs.largest == 6
    assert costs.seconds(6) > 0


def test_sizes_that_have_not_run_yet_move_along_with_those_that_do() -> None:
    costs = Costs({1: 0.1, 2: 0.2, 4: 0.4})
    for _ in range(50):
        costs.learn(1, 0.3)  # a busy machine
    assert costs.seconds(4) == pytest.approx(4 * costs.seconds(1))
    assert costs.cut(4) == 1, "large sizes look no better for never having run"
    costs.learn(4, 1.2)
    before = costs.seconds(4)
    costs.learn(1, 0.1)
    assert costs.seconds(4) == before


def test_a_stopped_run_teaches_only_that_it_takes_longer() -> None:
    costs = Costs({1: 0.1})
    costs.learn_at_least(1, 0.05)
    assert costs.seconds(1) == 0.1
    for _ in range(20):
        costs.learn_at_least(1, 1.0)
    assert costs.seconds(1) > 0.3
    assert costs.seconds_per_image() > 0.3
