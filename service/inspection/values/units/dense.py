"""One value of a dense layer: what each input contributes. Pure arithmetic on arrays; knows no layer and no file."""

from typing import Literal

import numpy as np
from pydantic import Field

from service.inspection.values.units.convolution import sum_text
from service.inspection.values.units.derived import Derived, Work, largest_first


class Contribution(Work):
    input: int = Field(description="index of the input, from 0")
    value: float
    weight: float
    product: float


class DenseWork(Work):
    form: Literal["dense"] = "dense"
    inputs: int = Field(description="how many products the value is the sum of")
    contributions: list[Contribution] = Field(description="largest magnitude first, at most 1,000")
    rest: float = Field(description="the sum of the products not listed")
    bias: float | None


def dense(row: np.ndarray, weight: np.ndarray, bias: float | None) -> Derived:
    """`row` and `weight`: [inputs], of one unit."""
    values, weights = row.astype(np.float64), weight.astype(np.float64)
    products = values * weights
    listed = largest_first(products)
    value = float(products.sum()) + (bias or 0.0)
    contributions = [
        Contribution(input=int(i), value=float(values[i]), weight=float(weights[i]), product=float(products[i]))
        for i in listed
    ]
    return Derived(
        value=value,
        magnitude=float(np.abs(products).sum()) + abs(bias or 0.0),
        text=sum_text(values, weights, bias, value),
        work=DenseWork(
            inputs=products.size,
            contributions=contributions,
            rest=float(np.delete(products, listed).sum()),
            bias=bias,
        ),
    )
