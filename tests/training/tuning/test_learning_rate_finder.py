"""The range test: rates that rise by a factor, an end when the loss blows up, its steepest descent as advice."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training.errors import LearningRateNotFoundError
from training.tuning.learning_rate_finder import range_test, suggested

RATES = tuple(10.0 ** (place / 10 - 5) for place in range(51))  # 1e-5 .. 1


def cliff(rates: tuple[float, ...], at: float) -> tuple[float, ...]:
    """Losses that fall from 2.3 to 0.3 around the rate `at`, and rise a hundred times further on."""
    return tuple(
        1.3 - math.tanh(2 * math.log10(rate / at)) + 20 * max(0.0, math.log10(rate / at) - 2) for rate in rates
    )


@given(st.integers(8, 30))
def test_the_suggestion_is_where_the_loss_falls_fastest(place: int) -> None:
    assert suggested(RATES, cliff(RATES, RATES[place])) == pytest.approx(RATES[place])


def test_a_fall_after_the_best_loss_counts_for_nothing() -> None:
    losses = (*cliff(RATES[:40], RATES[20]), *(9.0 - step for step in range(8)))
    assert suggested(RATES[:48], losses) == pytest.approx(RATES[20])


@pytest.mark.parametrize("losses", [(), (1.0,), (1.0, 1.5, 2.0), (1.0, 1.0)])
def test_a_loss_that_falls_nowhere_suggests_nothing_and_says_what_to_try(losses: tuple[float, ...]) -> None:
    with pytest.raises(LearningRateNotFoundError, match=r"the loss falls nowhere .*; begin lower, or take more steps"):
        suggested(RATES[: len(losses)], losses)


def test_rates_rise_by_the_same_factor_from_the_lowest_to_the_highest() -> None:
    asked: list[float] = []

    def step(rate: float) -> float:
        asked.append(rate)
        return 1.0

    result = range_test(step, lowest=1e-4, highest=1.0, steps=5)
    assert asked == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1.0])
    assert result.rates == tuple(asked)
    assert result.losses == pytest.approx([1.0] * 5)


def test_the_test_ends_where_the_smoothed_loss_exceeds_four_times_its_best() -> None:
    rates: list[float] = []

    def step(rate: float) -> float:
        rates.append(rate)
        return 1.0 if len(rates) <= 20 else 100.0

    result = range_test(step, steps=100)
    assert len(rates) == 21  # the mean of ten steps sees one loss of 100 as more than 10
    assert len(result.rates) == len(result.losses) == 20
    assert max(result.losses) < 4


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_no_number_ends_the_test(loss: float) -> None:
    losses = iter([3.0, 2.0, loss])
    assert len(range_test(lambda _: next(losses), steps=100).losses) == 2


def test_a_real_descent_suggests_a_rate_that_descends() -> None:
    """Of x^2 / 2, where every rate below 2 descends and every one above it does not."""
    place = torch.tensor(10.0)

    def step(rate: float) -> float:
        nonlocal place
        loss = float(place**2 / 2)
        place = place - rate * place
        return loss

    assert 1e-3 < range_test(step, lowest=1e-5, highest=100.0).suggestion < 2
