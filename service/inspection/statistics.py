"""What the values of a layer are like, in numbers that fit in an answer. Pure; knows no model.

The models are also the schema of the HTTP answer. Statistics are over the finite values and computed in float64;
a field that has no finite value is null, never NaN.
"""

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from service.errors import InvalidParameterError

HISTOGRAM_BINS = 20


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class Histogram(_Frozen):
    """Equal bins from the smallest to the largest finite value; the last one includes its upper edge."""

    counts: tuple[int, ...] = Field(description="values in each bin")
    edges: tuple[float, ...] = Field(description="the bins' borders, one more than counts")


class LayerStatistics(_Frozen):
    """All values of one tensor together."""

    shape: tuple[int, ...] = Field(description="the tensor's shape, batch first")
    min: float | None = Field(description="smallest finite value")
    mean: float | None = Field(description="mean of the finite values")
    max: float | None = Field(description="largest finite value")
    std: float | None = Field(description="standard deviation of the finite values (population, not sample)")
    zeros: float | None = Field(description="share of finite values that are exactly 0, from 0 to 1")
    nan: int = Field(description="how many values are NaN")
    inf: int = Field(description="how many values are +infinity or -infinity")
    dead_channels: tuple[int, ...] | None = Field(
        description="channels whose every value is 0 for this image; null where the tensor has no channel axis"
    )
    histogram: Histogram | None = Field(description="null where no value is finite")


class ChannelStatistics(_Frozen):
    """One channel of a layer."""

    channel: int = Field(description="index of the channel, from 0")
    min: float | None = Field(description="smallest finite value")
    mean: float | None = Field(description="mean of the finite values")
    max: float | None = Field(description="largest finite value")
    zeros: float | None = Field(description="share of finite values that are exactly 0, from 0 to 1")


@np.errstate(over="ignore", invalid="ignore")
def layer_statistics(values: np.ndarray) -> LayerStatistics:
    """The statistics of a tensor of any shape. 96x55x55 float32 takes 5 ms."""
    numbers = _numbers(values)
    is_finite = np.isfinite(numbers)
    finite = numbers[is_finite] if not is_finite.all() else numbers.ravel()
    nan = int(np.isnan(numbers).sum())
    return LayerStatistics(
        shape=values.shape,
        min=_finite(finite.min()) if finite.size else None,
        mean=_finite(finite.mean()) if finite.size else None,
        max=_finite(finite.max()) if finite.size else None,
        std=_finite(finite.std()) if finite.size else None,
        zeros=float((finite == 0).mean()) if finite.size else None,
        nan=nan,
        inf=numbers.size - finite.size - nan,
        dead_channels=_dead_channels(numbers),
        histogram=_histogram(finite),
    )


@np.errstate(over="ignore", invalid="ignore")
def channel_statistics(values: np.ndarray) -> tuple[ChannelStatistics, ...]:
    """The statistics of each channel of a batch; empty for a tensor without a channel axis. 96x55x55 takes 4 ms.

    Channels are axis 1 of [batch, channels, height, width] or of [batch, channels].
    """
    rows = _channels(_numbers(values))
    if rows is None:
        return ()
    finite = np.isfinite(rows)
    counts = finite.sum(axis=1)
    at_least_one = np.maximum(counts, 1)
    columns = (
        rows.min(axis=1, where=finite, initial=np.inf),
        rows.sum(axis=1, where=finite) / at_least_one,
        rows.max(axis=1, where=finite, initial=-np.inf),
        (rows == 0).sum(axis=1) / at_least_one,
    )
    stated = (
        [_finite(value) if count else None for value, count in zip(column, counts, strict=True)] for column in columns
    )
    return tuple(
        ChannelStatistics(channel=channel, min=smallest, mean=mean, max=largest, zeros=zeros)
        for channel, (smallest, mean, largest, zeros) in enumerate(zip(*stated, strict=True))
    )


def _numbers(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind not in "fiub":
        raise InvalidParameterError("layer", str(values.dtype), "ask for a layer that holds numbers")
    return values.astype(np.float64)


def _channels(numbers: np.ndarray) -> np.ndarray | None:
    """One row per channel, or None where no axis is known to be the channels (or there is nothing in it)."""
    if numbers.ndim not in (2, 4) or not numbers.size:
        return None
    return np.moveaxis(numbers, 1, 0).reshape(numbers.shape[1], -1)


def _dead_channels(numbers: np.ndarray) -> tuple[int, ...] | None:
    rows = _channels(numbers)
    return None if rows is None else tuple(np.flatnonzero(~rows.any(axis=1)).tolist())


def _histogram(finite: np.ndarray) -> Histogram | None:
    """As `numpy.histogram`, which refuses ranges that 20 floats cannot divide; a single value gets a bin of width 1."""
    if not finite.size:
        return None
    low, high = float(finite.min()), float(finite.max())
    if low == high:
        low, high = low - 0.5, high + 0.5
    # Halved, because the difference of two finite numbers need not be finite; 1 where halving leaves no difference.
    span = high / 2 - low / 2 or 1.0
    bins = ((finite / 2 - low / 2) / span * HISTOGRAM_BINS).astype(np.int64)
    counts = np.bincount(np.minimum(bins, HISTOGRAM_BINS - 1), minlength=HISTOGRAM_BINS)
    along = np.linspace(0, 1, HISTOGRAM_BINS + 1)
    edges = low * (1 - along) + high * along
    return Histogram(counts=tuple(counts.tolist()), edges=tuple(edges.tolist()))


def _finite(value: float) -> float | None:
    """`value`, or None where a sum of float64 numbers has overflowed."""
    return float(value) if np.isfinite(value) else None
