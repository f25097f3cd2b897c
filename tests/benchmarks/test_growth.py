"""The judge of memory and other growth, on made-up samples: it catches each leak by its name, and noise is none."""

import random
from collections.abc import Callable

import pytest

from benchmarks.reliability.growth import DAY_REQUESTS, caught, growth, slope
from benchmarks.reliability.sampling import Held, Sample

PARENT, WORKER = 1, 2
COUNT = 200  # samples


def run(change: Callable[[int, random.Random], dict[str, float]] = lambda *_: {}) -> list[Sample]:
    """One a second, 100 requests in each; `change` adds to what the worker holds."""
    chance = random.Random(0)
    samples = []
    for number in range(COUNT):
        more = change(number, chance)
        worker = Held(
            100_000 + chance.uniform(-500, 500) + more.get("memory", 0),
            20 + int(more.get("descriptors", 0)),
            10 + int(more.get("threads", 0)),
        )
        held = {PARENT: Held(50_000, 5, 1), WORKER: worker, 100 + number // 20: Held(90_000, 20, 10)}
        samples.append(Sample(float(number), 100 * number, held, int(more.get("files", 0))))
    return samples


def test_noise_is_no_growth() -> None:
    found = growth(run())
    assert found.leaks == ()
    assert abs(found.kib_a_request) < 0.1
    assert caught(9, found).held is False


@pytest.mark.parametrize(
    ("name", "a_sample"), [("memory", 40.0), ("descriptors", 0.05), ("threads", 0.02), ("files", 0.01)]
)
def test_each_leak_is_caught_by_its_name(name: str, a_sample: float) -> None:
    assert growth(run(lambda number, _: {name: a_sample * number})).leaks == (name,)


@pytest.mark.parametrize(
    ("name", "at_most"), [("memory", 1_600_000.0), ("descriptors", 900.0), ("threads", 40.0), ("files", 20.0)]
)
def test_what_is_held_for_a_moment_is_no_leak(name: str, at_most: float) -> None:
    """Ever more of it, as by chance in an hour: what leaks is there between these moments too."""
    assert growth(run(lambda number, _: {name: at_most * (number % 7 == 3) * number / COUNT})).leaks == ()


def test_what_grows_only_in_the_warm_up_is_no_leak() -> None:
    assert growth(run(lambda number, _: {"memory": 5000.0 * min(number, 20)})).leaks == ()


def test_a_control_that_leaks_everything_is_caught() -> None:
    names = ("memory", "descriptors", "threads", "files")
    assert caught(9, growth(run(lambda number, _: dict.fromkeys(names, 100.0 * number)))).held is True


def test_memory_is_counted_for_each_request_that_such_a_process_answered() -> None:
    samples = run(lambda number, _: {"memory": 100.0 * number})
    assert growth(samples).kib_a_request == pytest.approx(1.0, abs=0.05)
    assert growth(samples, workers=2).kib_a_request == pytest.approx(2.0, abs=0.1)
    assert growth(samples).mib_a_day == pytest.approx(DAY_REQUESTS / 1024, rel=0.05)


def test_a_run_that_no_process_survived_is_not_judged() -> None:
    samples = [Sample(float(n), n, {n: Held(1.0, 1, 1)}, 0) for n in range(10)]
    with pytest.raises(ValueError, match="no process lived through the whole run"):
        growth(samples)


def test_the_slope_is_that_of_least_squares() -> None:
    assert slope([0, 1, 2, 3], [1, 3, 5, 7]) == pytest.approx(2)
    assert slope([0, 1, 2], [0, 3, 0]) == pytest.approx(0)
    assert slope([5, 5], [1, 2]) == 0
