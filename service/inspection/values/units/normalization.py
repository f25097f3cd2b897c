"""One value of a normalisation: over neighbouring channels, over all scores, or by statistics of the training data.

Pure arithmetic on arrays; knows no layer and no file. Source: the ONNX operators LRN, Softmax and BatchNormalization.
"""

from typing import Literal

import numpy as np
from pydantic import Field

from service.inspection.values.units.derived import MAX_TERMS_IN_TEXT, Derived, Work, largest_first, number


class Neighbour(Work):
    channel: int
    value: float
    square: float


class LocalResponseWork(Work):
    """value / (bias + alpha / size * sum of squares) ^ beta"""

    form: Literal["local_response_norm"] = "local_response_norm"
    input: float
    neighbours: list[Neighbour] = Field(description="the channels around this one, itself included")
    sum_of_squares: float
    size: int
    alpha: float
    beta: float
    bias: float
    divisor: float


class Exponential(Work):
    index: int
    score: float
    exponential: float = Field(description="of the score lowered by the largest one")


class SoftmaxWork(Work):
    """The result does not change when all scores are lowered by the largest one, and nothing overflows."""

    form: Literal["softmax"] = "softmax"
    score: float
    lowered_by: float
    exponential: float
    exponentials: list[Exponential] = Field(description="largest first, at most 1,000")
    sum: float = Field(description="of all exponentials")


class BatchNormWork(Work):
    """(input - mean) / sqrt(variance + epsilon) * scale + bias"""

    form: Literal["batch_norm"] = "batch_norm"
    input: float
    mean: float
    variance: float
    epsilon: float
    scale: float
    bias: float


def local_response(column: np.ndarray, channel: int, size: int, alpha: float, beta: float, bias: float) -> Derived:
    """`column`: all channels at one position. The window reaches floor((size - 1) / 2) channels down, the rest up."""
    first, last = max(channel - (size - 1) // 2, 0), min(channel + size // 2, len(column) - 1)
    values = column.astype(np.float64)
    squares = values**2
    total = float(squares[first : last + 1].sum())
    divisor = float(np.float64(bias + alpha / size * total) ** beta)  # NumPy's: 0 to a negative power is infinite
    value = float(values[channel] / divisor)
    terms = [f"{number(v)}^2" for v in values[first : last + 1][:MAX_TERMS_IN_TEXT]]
    more = " + ..." if last - first + 1 > len(terms) else ""
    text = (
        f"{number(values[channel])}/({bias:.6g} + {alpha:.6g}/{size}*({' + '.join(terms)}{more}))^{beta:.6g}"
        f" = {value:.6g}"
    )
    neighbours = [
        Neighbour(channel=c, value=float(values[c]), square=float(squares[c])) for c in range(first, last + 1)
    ]
    work = LocalResponseWork(
        input=float(values[channel]),
        neighbours=neighbours,
        sum_of_squares=total,
        size=size,
        alpha=alpha,
        beta=beta,
        bias=bias,
        divisor=divisor,
    )
    return Derived(value, abs(value), text, work)


def softmax(scores: np.ndarray, index: int, *, logarithm: bool = False) -> Derived:
    """`scores`: [classes]. With `logarithm` the value is the logarithm of the share (LogSoftmax)."""
    values = scores.astype(np.float64)
    highest = float(values.max())
    exponentials = np.exp(values - highest)
    total = float(exponentials.sum())
    share = float(exponentials[index]) / total
    value = float(values[index]) - highest - float(np.log(total)) if logarithm else share
    listed = largest_first(exponentials)
    work = SoftmaxWork(
        score=float(values[index]),
        lowered_by=highest,
        exponential=float(exponentials[index]),
        exponentials=[
            Exponential(index=int(i), score=float(values[i]), exponential=float(exponentials[i])) for i in listed
        ],
        sum=total,
    )
    # float32 rounds the difference of two scores, and an exponential's relative error is its exponent's absolute one.
    spread = 1 + abs(float(values[index])) + abs(highest)
    text = _softmax_text(values, index, value, logarithm=logarithm)
    return Derived(value, spread if logarithm else share * spread, text, work)


def _softmax_text(values: np.ndarray, index: int, value: float, *, logarithm: bool) -> str:
    powers = [f"e^{number(v)}" for v in values[:MAX_TERMS_IN_TEXT]]
    if values.size > len(powers):
        powers.append(f"... ({values.size:,} powers)")
    share = f"e^{number(values[index])}/({' + '.join(powers)})"
    return f"{f'log({share})' if logarithm else share} = {value:.6g}"


def batch_norm(
    value: float, magnitude: float, mean: float, variance: float, epsilon: float, scale: float, bias: float
) -> Derived:
    """In inference: by the statistics that training has stored, not by those of the batch."""
    deviation = np.sqrt(np.float64(variance + epsilon))  # NumPy's: nothing by zero, or of less, is no error there
    result = float((value - mean) / deviation * scale + bias)
    text = (
        f"({number(value)} - {number(mean)})/sqrt({number(variance)} + {epsilon:.6g})*{number(scale)} + {number(bias)}"
        f" = {result:.6g}"
    )
    work = BatchNormWork(input=value, mean=mean, variance=variance, epsilon=epsilon, scale=scale, bias=bias)
    return Derived(result, float((magnitude + abs(mean)) * abs(scale / deviation) + abs(bias)), text, work)
