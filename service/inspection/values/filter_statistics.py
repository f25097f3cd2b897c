"""What the weights of a layer are like in numbers, and how far they are from another version's.

Pure; knows no layer and no file. The models are also the schema of the HTTP answer. Weights are read filter by
filter, so that a dense layer of a hundred million is never copied whole.
"""

from collections.abc import Iterator

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from service.inspection import stopping
from service.inspection.maps.statistics import HISTOGRAM_BINS, Histogram

_ROWS_OF = 1_000_000  # weights that are looked at together, in float64: 8 MB


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class WeightStatistics(_Frozen):
    """Of all weights of a layer together, in float64; null where a weight is not finite."""

    count: int
    min: float | None
    mean: float | None
    max: float | None
    std: float | None = Field(description="standard deviation (population)")
    zeros: float = Field(description="share of weights that are exactly 0, from 0 to 1")
    norm: float | None = Field(description="L2 norm: the root of the sum of squares")
    histogram: Histogram | None = Field(description="20 equal bins from the smallest to the largest weight")


class FilterStatistics(_Frozen):
    """Of one filter: all weights that lead to one output channel or unit."""

    filter: int = Field(description="output channel, or unit of a dense layer")
    min: float | None
    mean: float | None
    max: float | None
    norm: float | None = Field(description="L2 norm")


class FilterChange(_Frozen):
    filter: int
    cosine: float | None = Field(
        description="1: the same direction, 0: unrelated, -1: opposite; null for a zero filter"
    )
    relative_change: float | None = Field(description="norm of the difference in parts of the norm before")


class WeightChange(_Frozen):
    """From the other version's weights (before) to this version's (after)."""

    cosine: float | None
    relative_change: float | None
    filters: list[FilterChange]


def weight_statistics(weight: np.ndarray) -> tuple[WeightStatistics, list[FilterStatistics]]:
    """Of [filters, ...]: all together, and each filter."""
    filters: list[FilterStatistics] = []
    squares, total, zeros = 0.0, 0.0, 0
    with np.errstate(over="ignore", invalid="ignore"):
        for first, rows in _rows(weight):
            squares_of = (rows**2).sum(axis=1)
            columns = (rows.min(axis=1), rows.mean(axis=1), rows.max(axis=1), np.sqrt(squares_of))
            squares, total, zeros = squares + squares_of.sum(), total + rows.sum(), zeros + int((rows == 0).sum())
            filters += [_filter(first + i, *found) for i, found in enumerate(zip(*columns, strict=True))]
    low, high = _extremes(filters)
    mean = total / weight.size
    deviation = sum(float(((rows - mean) ** 2).sum()) for _, rows in _rows(weight)) / weight.size
    finite = low is not None and high is not None
    return WeightStatistics(
        count=weight.size,
        min=low,
        mean=_finite(mean),
        max=high,
        std=_finite(np.sqrt(deviation)),
        zeros=zeros / weight.size,
        norm=_finite(np.sqrt(squares)),
        histogram=_histogram(weight, low, high) if finite else None,
    ), filters


def weight_change(before: np.ndarray, after: np.ndarray) -> WeightChange:
    """Both [filters, ...] of one shape."""
    filters: list[FilterChange] = []
    totals = np.zeros(4)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for (first, old), (_, new) in zip(_rows(before), _rows(after), strict=True):
            sums = np.stack([(old * new).sum(1), (old**2).sum(1), (new**2).sum(1), ((new - old) ** 2).sum(1)], axis=1)
            totals += sums.sum(axis=0)
            for number, found in enumerate(sums, first):
                cosine, relative = _change(found)
                filters.append(FilterChange(filter=number, cosine=cosine, relative_change=relative))
        cosine, relative = _change(totals)
    return WeightChange(cosine=cosine, relative_change=relative, filters=filters)


def _rows(weight: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Some filters at a time as float64 rows, with the number of the first."""
    flat = weight.reshape(len(weight), -1)
    step = max(1, _ROWS_OF // max(1, flat.shape[1]))
    for first in range(0, len(flat), step):
        stopping.check()
        yield first, flat[first : first + step].astype(np.float64)


def _filter(number: int, low: float, mean: float, high: float, norm: float) -> FilterStatistics:
    return FilterStatistics(filter=number, min=_finite(low), mean=_finite(mean), max=_finite(high), norm=_finite(norm))


def _extremes(filters: list[FilterStatistics]) -> tuple[float | None, float | None]:
    lows = [each.min for each in filters if each.min is not None]
    highs = [each.max for each in filters if each.max is not None]
    complete = filters and len(lows) == len(highs) == len(filters)
    return (min(lows), max(highs)) if complete else (None, None)


def _histogram(weight: np.ndarray, low: float | None, high: float | None) -> Histogram | None:
    """Equal bins from `low` to `high`, the last one with its upper edge; a single value gets a bin of width 1."""
    if low is None or high is None:
        return None
    if low == high:
        low, high = low - 0.5, high + 0.5
    counts = np.zeros(HISTOGRAM_BINS, np.int64)
    # Halved, as in `statistics`: the difference of two finite numbers need not be finite.
    span = high / 2 - low / 2 or 1.0
    for _, rows in _rows(weight):
        bins = ((rows / 2 - low / 2) / span * HISTOGRAM_BINS).astype(np.int64).ravel()
        counts += np.bincount(np.clip(bins, 0, HISTOGRAM_BINS - 1), minlength=HISTOGRAM_BINS)
    along = np.linspace(0, 1, HISTOGRAM_BINS + 1)
    return Histogram(counts=tuple(counts.tolist()), edges=tuple((low * (1 - along) + high * along).tolist()))


def _change(sums: np.ndarray) -> tuple[float | None, float | None]:
    """(cosine, relative change) of the sums of old*new, old^2, new^2 and (new - old)^2."""
    product, old, new, difference = map(float, sums)
    return _finite(product / np.sqrt(old * new)), _finite(np.sqrt(difference / np.float64(old)))


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
