"""What every re-derived value has in common. Knows no kind of layer."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, SerializeAsAny

MAX_LISTED = 1_000  # single numbers told one by one; the rest as their sum
MAX_TERMS_IN_TEXT = 32  # a 5x5 kernel or a 3x3 one on colours is written out
TERMS_OF_A_LONG_SUM = 12


class Work(BaseModel):
    """The steps of one derivation, for the answer. Numbers that are not finite are null."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


@dataclass(frozen=True)
class Derived:
    """A value in float64. `magnitude`: the sum of its terms without their signs, which rounding errors grow with."""

    value: float
    magnitude: float
    text: str
    work: SerializeAsAny[Work]


def number(value: float) -> str:
    """As in a sum: six digits, a negative one in brackets."""
    text = f"{value:.6g}"
    return f"({text})" if text.startswith("-") else text


def nested(values: np.ndarray, hidden: np.ndarray | None = None) -> list[Any]:
    """Nested lists of a float array, null for what is `hidden` (broadcast) or not finite."""
    objects = values.astype(object)
    left_out = ~np.isfinite(values)
    if hidden is not None:
        left_out |= np.broadcast_to(hidden, values.shape)
    objects[left_out] = None
    return list(objects.tolist())


def largest_first(magnitudes: np.ndarray) -> np.ndarray:
    """The indices of the at most 1,000 largest, the largest first; equal ones in their order."""
    return np.argsort(-np.abs(magnitudes), kind="stable")[:MAX_LISTED]
