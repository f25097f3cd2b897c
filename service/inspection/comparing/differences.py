"""How far apart two tensors of one shape are, in the field's measures. Pure; knows no model and no picture.

All in float64 and over the values that are finite in both. A measure that is not defined is None, never NaN. Sums are
numpy's own: BLAS would take threads from whoever serves.
"""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from service.errors import InvalidParameterError

MOST_CHANGED = 5
_SAFE = 1e-140, 1e140  # norms whose squares and products float64 holds


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, ser_json_inf_nan="null")


class ChannelDifference(_Frozen):
    """How much one channel, or one unit of a dense layer, changed."""

    channel: int = Field(description="from 0")
    mean: float = Field(description="mean of |b - a|")
    max: float = Field(description="largest |b - a|")
    relative: float | None = Field(description="norm(b - a) / norm(a) of this channel; null where a is all zeros")


class Difference(_Frozen):
    """b against a, value by value."""

    mean: float = Field(description="mean of |b - a|")
    max: float = Field(description="largest |b - a|")
    at: tuple[int, ...] = Field(description="where it is largest: an index into the tensor, batch first")
    a: float = Field(description="a's value there")
    b: float = Field(description="b's value there")
    relative: float | None = Field(description="norm(b - a) / norm(a), 0 for equal ones; null where a is all zeros")
    cosine: float | None = Field(description="cosine similarity, -1 to 1; null where one of them is all zeros")
    pearson: float | None = Field(description="correlation, -1 to 1; null where one of them is constant")
    left_out: int = Field(description="how many values are NaN or infinity in one of them and count nowhere here")
    channels: tuple[ChannelDifference, ...] = Field(
        description="those that changed most, by mean; empty without channels"
    )


def difference(a: np.ndarray, b: np.ndarray, channel_axis: int | None = 1) -> Difference | None:
    """None where the shapes differ or no value is finite in both. Channels are `channel_axis` of rank 2 or 4."""
    if a.shape != b.shape:
        return None
    first, second, kept = _both_finite(a, b)
    if not kept.any():
        return None
    distance = np.abs(second - first)
    at = np.unravel_index(int(distance.argmax()), distance.shape)
    count = int(kept.sum())
    return Difference(
        mean=float(distance.sum() / count),
        max=float(distance[at]),
        at=tuple(map(int, at)),
        a=float(first[at]),
        b=float(second[at]),
        relative=_relative(first, distance),
        cosine=_cosine(first, second),
        pearson=_pearson(first, second) if kept.all() else _pearson(first[kept], second[kept]),
        left_out=kept.size - count,
        channels=tuple(_most_changed(first, distance, kept, channel_axis)),
    )


def relative_change(before: np.ndarray, after: np.ndarray) -> float | None:
    """norm(after - before) / norm(before) of two tensors of one shape: 0 for equal ones, None where `before` is 0."""
    first, second, _ = _both_finite(before, after)
    return _relative(first, second - first)


def cosine_similarity(a: np.ndarray, b: np.ndarray) -> float | None:
    """-1 to 1 for two tensors of one shape; None where one of them is all zeros."""
    first, second, _ = _both_finite(a, b)
    return _cosine(first, second)


def _both_finite(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both in float64, with 0 in both where one is not finite, and where both are."""
    for values in (a, b):
        if values.dtype.kind not in "fiub":
            raise InvalidParameterError("layers", str(values.dtype), "ask for layers that hold numbers")
    first, second = a.astype(np.float64), b.astype(np.float64)
    kept = np.isfinite(first) & np.isfinite(second)
    if not kept.all():
        first, second = np.where(kept, first, 0), np.where(kept, second, 0)
    return first, second, kept


@np.errstate(over="ignore", under="ignore")
def _norm(values: np.ndarray) -> float:
    """The Euclidean norm. Squares of float32 numbers fit in float64; where others do not, they are scaled first."""
    length = float(np.sqrt(np.square(values).sum()))
    if _SAFE[0] < length < _SAFE[1]:
        return length
    largest = float(np.abs(values).max(initial=0))
    return largest * float(np.sqrt(np.square(values / largest).sum())) if largest else 0.0


def _relative(before: np.ndarray, change: np.ndarray) -> float | None:
    moved, length = _norm(change), _norm(before)
    if not moved:
        return 0.0
    return moved / length if length else None


def _cosine(a: np.ndarray, b: np.ndarray) -> float | None:
    lengths = _norm(a), _norm(b)
    if not all(lengths):
        return None
    if all(_SAFE[0] < length < _SAFE[1] for length in lengths):
        cosine = float((a * b).sum()) / lengths[0] / lengths[1]
    else:
        cosine = float(((a / lengths[0]) * (b / lengths[1])).sum())
    # Beyond 12 digits there is only the rounding of the sums: equal ones are 1, not 0.9999999999999996.
    return round(cosine, 12)


def _pearson(a: np.ndarray, b: np.ndarray) -> float | None:
    # The mean of a constant may miss it by the last digit, and the rest would correlate like noise.
    if any(values.min() == values.max() for values in (a, b)):
        return None
    return _cosine(a - a.mean(), b - b.mean())


def _most_changed(
    a: np.ndarray, distance: np.ndarray, kept: np.ndarray, axis: int | None
) -> Sequence[ChannelDifference]:
    """Of equals the lower channel comes first."""
    if axis is None or a.ndim not in (2, 4):
        return ()
    values, distances, counted = (
        np.moveaxis(tensor, axis, 0).reshape(a.shape[axis], -1) for tensor in (a, distance, kept)
    )
    means = distances.sum(axis=1) / np.maximum(counted.sum(axis=1), 1)
    return [
        ChannelDifference(
            channel=channel,
            mean=float(means[channel]),
            max=float(distances[channel].max()),
            relative=_relative(values[channel], distances[channel]),
        )
        for channel in np.argsort(-means, kind="stable")[:MOST_CHANGED].tolist()
    ]
