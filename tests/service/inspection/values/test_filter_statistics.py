import numpy as np
import pytest

from service.inspection.values import filter_statistics
from service.inspection.values.filter_statistics import weight_change, weight_statistics

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("rows_of", [1, 50, 10**6])
def test_statistics_are_numpys_however_many_filters_are_read_at_once(
    rows_of: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filter_statistics, "_ROWS_OF", rows_of)
    weight = RANDOM.normal(size=(7, 2, 3, 3)).astype(np.float32)
    weight[2, 0] = 0
    together, each = weight_statistics(weight)
    wide = weight.astype(np.float64)
    assert together.count == 126
    assert together.zeros == pytest.approx(9 / 126)
    assert (together.min, together.max) == (wide.min(), wide.max())
    assert together.mean == pytest.approx(wide.mean())
    assert together.std == pytest.approx(wide.std())
    assert together.norm == pytest.approx(np.linalg.norm(wide))
    assert together.histogram is not None
    assert together.histogram.counts == tuple(np.histogram(wide, 20)[0])
    assert [one.norm for one in each] == pytest.approx([np.linalg.norm(filter_) for filter_ in wide])
    assert [one.filter for one in each] == list(range(7))


def test_weights_that_are_not_finite_leave_the_numbers_out_that_they_spoil() -> None:
    together, each = weight_statistics(np.array([[1, 2], [np.nan, 1], [np.inf, 0]], np.float32))
    assert (together.min, together.mean, together.norm, together.histogram) == (None, None, None, None)
    assert each[0].norm == pytest.approx(5**0.5)
    assert (each[1].norm, each[2].max) == (None, None)


def test_equal_weights_have_a_histogram_of_one_bin() -> None:
    histogram = weight_statistics(np.full((2, 3), 4, np.float32))[0].histogram
    assert histogram is not None
    assert sum(histogram.counts) == 6
    assert (histogram.edges[0], histogram.edges[-1]) == (3.5, 4.5)


def test_change_of_a_filter_kept_turned_doubled_and_born() -> None:
    before = np.array([[1, 2], [1, 2], [1, 0], [0, 0]], np.float32)
    after = np.array([[1, 2], [2, 4], [0, 3], [1, 1]], np.float32)
    change = weight_change(before, after)
    assert [one.cosine for one in change.filters] == pytest.approx([1, 1, 0, None])
    assert [one.relative_change for one in change.filters] == pytest.approx([0, 1, 10**0.5, None])
    assert change.relative_change == pytest.approx(np.linalg.norm(after - before) / np.linalg.norm(before))
