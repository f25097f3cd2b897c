"""One value of a pooling: the window of one channel, and which value won or what the mean is of.

Pure arithmetic on arrays; knows no layer and no file. Source: the ONNX operators MaxPool, AveragePool and LpPool.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from service.inspection.values.units.derived import MAX_TERMS_IN_TEXT, Derived, Work, nested, number
from service.inspection.values.units.windows import Reads, patch

MAX_PATCH = 20_000


class Winner(Work):
    position: list[int] = Field(description="[row, column] in the channel of the input; the first of equal ones")
    value: float


class PoolingWork(Work):
    form: Literal["pooling"] = "pooling"
    reads: list[list[int | None]] = Field(
        description="per axis and window position the row or column of the input; null: padding"
    )
    patch: list[Any] | None = Field(description="[row][column]; null: padding, which is not read")
    omitted: str | None = Field(description="why the patch is left out; null where it is not")
    winner: Winner | None = Field(default=None, description="max pooling: the largest value and where it is")
    sum: float | None = Field(default=None, description="of the values, or (L2 pooling) of their powers")
    divisor: int | None = Field(default=None, description="average pooling: what the sum is divided by")
    power: int | None = Field(default=None, description="L2 pooling: 2")


def maximum(channel: np.ndarray, read: Sequence[Reads]) -> Derived:
    """The largest value of the window; padding never wins, and a NaN does."""
    values, missing, seen = _window(channel, read)
    index = int(np.argmax(np.where(missing, -np.inf, values)))
    value = float(values.ravel()[index])
    places = np.unravel_index(index, values.shape)
    position = [axis[place] or 0 for axis, place in zip(read, places, strict=True)]
    work = _work(values, missing, read, winner=Winner(position=position, value=value))
    return Derived(value, abs(value), f"max({_listed(seen)}) = {value:.6g}", work)


def average(channel: np.ndarray, read: Sequence[Reads], divisor: int | None) -> Derived:
    """The sum of the window over `divisor`: None divides by the values really there."""
    values, missing, seen = _window(channel, read)
    by = seen.size if divisor is None else divisor
    total = float(seen.sum())
    value = total / by if by else float("nan")
    work = _work(values, missing, read, sum=total, divisor=by)
    text = f"({_listed(seen, ' + ')})/{by} = {value:.6g}"
    return Derived(value, float(np.abs(seen).sum()) / max(by, 1), text, work)


def power_mean(channel: np.ndarray, read: Sequence[Reads], power: int) -> Derived:
    """(sum of |x|^p)^(1/p): a sum, despite the name pooling; L2 pooling for p = 2."""
    values, missing, seen = _window(channel, read)
    total = float((np.abs(seen) ** power).sum())
    value = total ** (1 / power)
    work = _work(values, missing, read, sum=total, power=power)
    terms = [f"{number(abs(v))}^{power}" for v in seen[:MAX_TERMS_IN_TEXT]]
    return Derived(value, value, f"({_joined(terms, seen.size, ' + ')})^(1/{power}) = {value:.6g}", work)


def _window(channel: np.ndarray, read: Sequence[Reads]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The patch, its padding, and the values that are really there in their order."""
    (values,), missing = patch(channel[None], read)
    return values, missing, values[~missing]


def _work(values: np.ndarray, missing: np.ndarray, read: Sequence[Reads], **found: Any) -> PoolingWork:
    told = values.size <= MAX_PATCH
    return PoolingWork(
        reads=[list(axis) for axis in read],
        patch=nested(values, missing) if told else None,
        omitted=None if told else f"{values.size:,} values are more than the {MAX_PATCH:,} that are told",
        **found,
    )


def _listed(seen: np.ndarray, between: str = ", ") -> str:
    return _joined([number(value) for value in seen[:MAX_TERMS_IN_TEXT]], seen.size, between)


def _joined(terms: list[str], count: int, between: str) -> str:
    return between.join([*terms, f"... ({count:,} values)"] if count > len(terms) else terms)
