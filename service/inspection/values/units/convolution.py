"""One value of a convolution, or of a transposed one: the patch, the kernel, their products and sums.

Pure arithmetic on arrays; knows no layer and no file.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from service.inspection.values.units.derived import (
    MAX_TERMS_IN_TEXT,
    TERMS_OF_A_LONG_SUM,
    Derived,
    Work,
    largest_first,
    nested,
    number,
)
from service.inspection.values.units.windows import Reads, patch

MAX_PRODUCTS = 20_000  # three lists of them, about 1 MB of JSON


class ChannelSum(Work):
    channel: int = Field(description="of the input")
    sum: float


class ConvolutionWork(Work):
    """[input channel][kernel row][kernel column], as are `patch`, `kernel` and `products`."""

    form: Literal["convolution"] = "convolution"
    products_count: int = Field(description="how many products the value is the sum of, those with padding included")
    first_input_channel: int = Field(description="the channel of the input that `patch[0]` is of")
    reads: list[list[int | None]] = Field(
        description="per axis and kernel position the row or column of the input; null: padding, or (transposed) a gap"
    )
    patch: list[Any] | None = Field(description="the inputs read; null: padding or a gap, which counts as 0")
    kernel: list[Any] | None
    products: list[Any] | None
    channel_sums: list[ChannelSum] = Field(description="the products of each input channel, largest magnitude first")
    channel_sums_rest: float = Field(description="the sum of those not listed")
    bias: float | None
    omitted: str | None = Field(description="why patch, kernel and products are left out; null where they are not")


def convolution(
    maps: np.ndarray, kernel: np.ndarray, bias: float | None, read: Sequence[Reads], first_channel: int
) -> Derived:
    """`maps`: the input channels of this filter's group, [channels, *axes]; `kernel`: [channels, *kernel]."""
    values, missing = patch(maps, read)
    weights = kernel.astype(np.float64)
    products = values * weights + 0.0  # no -0
    sums = products.reshape(len(products), -1).sum(axis=1)
    listed = largest_first(sums)
    value = float(sums.sum()) + (bias or 0.0)
    told = products.size <= MAX_PRODUCTS
    return Derived(
        value=value,
        magnitude=float(np.abs(products).sum()) + abs(bias or 0.0),
        text=sum_text(values, weights, bias, value),
        work=ConvolutionWork(
            products_count=products.size,
            first_input_channel=first_channel,
            reads=[list(axis) for axis in read],
            patch=nested(values, missing) if told else None,
            kernel=nested(weights) if told else None,
            products=nested(products) if told else None,
            channel_sums=[ChannelSum(channel=first_channel + int(c), sum=float(sums[c])) for c in listed],
            channel_sums_rest=float(np.delete(sums, listed).sum()),
            bias=bias,
            omitted=None if told else f"{products.size:,} products are more than the {MAX_PRODUCTS:,} that are told",
        ),
    )


def sum_text(left: np.ndarray, right: np.ndarray, bias: float | None, value: float) -> str:
    """Such as `5*11 + 1*4 + 15*5 + 5*2 = 144`; of a long sum the largest products, and how many there are."""
    left, right = left.ravel(), right.ravel()
    every = left.size <= MAX_TERMS_IN_TEXT
    order = range(left.size) if every else largest_first(left * right)[:TERMS_OF_A_LONG_SUM]
    terms = [f"{number(left[i])}*{number(right[i])}" for i in order]
    if not every:
        terms.append(f"... ({left.size:,} products, the largest first)")
    if bias is not None:
        terms.append(f"{number(bias)} (bias)")
    return f"{' + '.join(terms)} = {value:.6g}"
