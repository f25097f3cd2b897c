"""Differences against the textbook's formulas, and on values that break naive ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from service.errors import InvalidParameterError
from service.inspection.comparing.differences import Difference, cosine_similarity, difference, relative_change

TENSORS = hnp.arrays(np.float32, (1, 3, 4, 5), elements=st.floats(-1e3, 1e3, width=32))


def of(a: np.ndarray, b: np.ndarray) -> Difference:
    found = difference(a, b)
    assert found is not None
    return found


@given(TENSORS, TENSORS)
def test_every_measure_is_the_textbooks(a: np.ndarray, b: np.ndarray) -> None:
    found, x, y = of(a, b), a.astype(float), b.astype(float)
    assert found.mean == pytest.approx(np.abs(y - x).mean())
    assert found.max == np.abs(y - x).max()
    assert abs(found.b - found.a) == found.max
    assert (found.a, found.b) == (a[found.at], b[found.at])
    if np.linalg.norm(x) > 1e-3 and np.linalg.norm(y) > 1e-3:
        assert found.relative == pytest.approx(np.linalg.norm(y - x) / np.linalg.norm(x))
        assert found.cosine == pytest.approx((x * y).sum() / np.linalg.norm(x) / np.linalg.norm(y), abs=1e-9)
    if x.std() > 1e-2 and y.std() > 1e-2:
        assert found.pearson == pytest.approx(np.corrcoef(x.ravel(), y.ravel())[0, 1], abs=1e-6)


def test_a_tensor_does_not_differ_from_itself() -> None:
    values = np.random.default_rng(0).normal(size=(1, 7, 9, 9)).astype(np.float32)
    same = of(values, values)
    assert (same.mean, same.max, same.relative, same.cosine, same.pearson) == (0, 0, 0, 1, 1)


def test_the_channels_that_changed_most_come_first() -> None:
    a, b = np.zeros((2, 1, 8, 2, 2))
    a[0, 3], b[0, 3], b[0, 6], b[0, 1, 0, 0] = 4, 1, 5, 2
    first, second, third, *others = of(a, b).channels
    assert (first.channel, first.mean, first.max, first.relative) == (6, 5, 5, None)
    assert (second.channel, second.mean, second.relative) == (3, 3, 0.75)
    assert (third.channel, third.mean, third.max) == (1, 0.5, 2)
    assert [(other.channel, other.relative) for other in others] == [(0, 0), (2, 0)]


def test_units_of_a_dense_layer_are_its_channels_and_other_tensors_have_none() -> None:
    assert [c.channel for c in of(np.array([[1.0, 2, 3]]), np.array([[1.0, 5, 2]])).channels] == [1, 2, 0]
    assert of(np.zeros((1, 2, 3)), np.ones((1, 2, 3))).channels == ()


def test_channels_may_be_the_last_axis() -> None:
    a, b = np.zeros((2, 1, 2, 2, 3))
    b[..., 1] = 4
    found = difference(a, b, channel_axis=3)
    assert found is not None
    assert [(c.channel, c.mean) for c in found.channels] == [(1, 4), (0, 0), (2, 0)]


def test_measures_that_are_not_defined_are_none() -> None:
    zeros, ramp = np.zeros((1, 4)), np.arange(4.0)[None]
    assert (of(zeros, ramp).relative, of(zeros, ramp).cosine, of(zeros, ramp).pearson) == (None, None, None)
    assert of(zeros, zeros).relative == 0
    assert of(ramp, np.full((1, 4), 0.1)).pearson is None


def test_what_is_not_finite_counts_nowhere_and_is_counted() -> None:
    found = of(np.array([[np.nan, 1, 2, 4]]), np.array([[1, np.inf, 2, 1]]))
    assert (found.mean, found.max, found.at, found.left_out) == (1.5, 3, (0, 3), 2)
    assert difference(np.array([[np.nan]]), np.array([[1.0]])) is None


def test_huge_and_tiny_numbers_neither_overflow_nor_vanish() -> None:
    for size in (1e300, 1e-300):
        ramp = np.arange(1, 5.0)[None] * size
        assert relative_change(ramp, ramp * 1.5) == pytest.approx(0.5)
        assert cosine_similarity(ramp, ramp) == 1


def test_integers_do_not_wrap_around_and_booleans_have_a_difference() -> None:
    assert of(np.array([[1, 200]], np.uint8), np.array([[255, 200]], np.uint8)).max == 254
    assert of(np.array([[True, False]]), np.array([[False, False]])).mean == 0.5


def test_tensors_of_two_shapes_have_no_difference_and_words_are_refused() -> None:
    assert difference(np.zeros((1, 2)), np.zeros((1, 3))) is None
    with pytest.raises(InvalidParameterError, match="ask for layers that hold numbers"):
        difference(np.array(["a"]), np.array(["b"]))
