"""The learning rate over a run: within its peak, near zero at the end, or as it was."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.learning.schedules import rate_share


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 500))
def test_one_cycle_reaches_its_peak_and_is_never_above_or_below_zero(steps: int) -> None:
    shares = [rate_share("one_cycle", step, steps) for step in range(steps)]
    assert max(shares) == pytest.approx(1)
    assert min(shares) >= 0


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 500))
def test_linear_starts_at_the_peak_and_falls_by_the_same_amount_each_step(steps: int) -> None:
    shares = [rate_share("linear", step, steps) for step in range(steps)]
    assert shares[0] == 1
    assert all(before - after == pytest.approx(1 / steps) for before, after in pairwise(shares))


def test_the_ends_are_near_zero() -> None:
    assert rate_share("one_cycle", 999, 1000) < 1e-4
    assert rate_share("linear", 999, 1000) == pytest.approx(1e-3)


def test_constant_stays() -> None:
    assert {rate_share("constant", step, 10) for step in range(10)} == {1.0}
