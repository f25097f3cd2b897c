"""One value of a layer that works on each value alone: activations, and sums of branches. Knows no layer."""

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from math import exp, inf, isnan, log1p, tanh
from typing import Any, Literal

import numpy as np
from pydantic import Field

from service.inspection.values.units.derived import Derived, Work, number

# The settings of a layer that are numbers, by their ONNX names.
Settings = Mapping[str, float]


class ElementwiseWork(Work):
    form: Literal["elementwise"] = "elementwise"
    inputs: list[float] = Field(description="the values at this position, one per operand")


def _relu(x: float, _: Settings) -> tuple[float, str]:
    return max(0.0, x), f"max(0, {number(x)})"


def _leaky_relu(x: float, settings: Settings) -> tuple[float, str]:
    slope = settings.get("alpha", 0.01)
    return (x, f"{number(x)} (not negative)") if x >= 0 else (slope * x, f"{slope:.6g}*{number(x)}")


def _elu(x: float, settings: Settings) -> tuple[float, str]:
    alpha = settings.get("alpha", 1.0)
    if x >= 0:
        return x, f"{number(x)} (not negative)"
    return alpha * (exp(x) - 1), f"{alpha:.6g}*(e^{number(x)} - 1)"


def _sigmoid(x: float, _: Settings) -> tuple[float, str]:
    share = 1 / (1 + exp(-x)) if x >= 0 else exp(x) / (1 + exp(x))
    return share, f"1/(1 + e^-{number(x)})"


def _tanh(x: float, _: Settings) -> tuple[float, str]:
    return tanh(x), f"tanh({number(x)})"


def _clip(x: float, settings: Settings) -> tuple[float, str]:
    low, high = settings.get("min", -inf), settings.get("max", inf)
    return min(max(x, low), high), f"min(max({number(x)}, {low:.6g}), {high:.6g})"


def _relu6(x: float, _: Settings) -> tuple[float, str]:
    return min(max(x, 0.0), 6.0), f"min(max({number(x)}, 0), 6)"


def _softplus(x: float, _: Settings) -> tuple[float, str]:
    return max(x, 0.0) + log1p(exp(-abs(x))), f"log(1 + e^{number(x)})"


def _hard_sigmoid(x: float, settings: Settings) -> tuple[float, str]:
    alpha, beta = settings.get("alpha", 0.2), settings.get("beta", 0.5)
    return max(0.0, min(1.0, alpha * x + beta)), f"max(0, min(1, {alpha:.6g}*{number(x)} + {beta:.6g}))"


def _hard_swish(x: float, _: Settings) -> tuple[float, str]:
    return x * max(0.0, min(1.0, x / 6 + 0.5)), f"{number(x)}*max(0, min(1, {number(x)}/6 + 0.5))"


def _silu(x: float, settings: Settings) -> tuple[float, str]:
    share, text = _sigmoid(x, settings)
    return x * share, f"{number(x)}*{text}"


def _swish(x: float, settings: Settings) -> tuple[float, str]:
    alpha = settings.get("alpha", 1.0)
    share, _ = _sigmoid(alpha * x, settings)
    return x * share, f"{number(x)}*1/(1 + e^-({alpha:.6g}*{number(x)}))"


def _mish(x: float, settings: Settings) -> tuple[float, str]:
    softplus, text = _softplus(x, settings)
    return x * tanh(softplus), f"{number(x)}*tanh({text})"


def _identity(x: float, _: Settings) -> tuple[float, str]:
    return x, number(x)


ACTIVATIONS: Mapping[str, Callable[[float, Settings], tuple[float, str]]] = {
    "relu": _relu,
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "sigmoid": _sigmoid,
    "tanh": _tanh,
    "clip": _clip,
    "relu6": _relu6,
    "softplus": _softplus,
    "hard_sigmoid": _hard_sigmoid,
    "hard_swish": _hard_swish,
    "silu": _silu,
    "swish": _swish,
    "mish": _mish,
    "identity": _identity,
    "dropout": _identity,
}


def activation(kind: str, value: float, magnitude: float, settings: Settings) -> Derived:
    """`magnitude`: of what `value` is a sum of. No function here is steeper than 1.5: errors hardly grow."""
    result, text = ACTIVATIONS[kind](value, settings)
    result = value if isnan(value) else result  # Python's min and max may let it go
    return Derived(result, magnitude, f"{text} = {result:.6g}", ElementwiseWork(inputs=[value]))


def combined(kind: Literal["add", "sub", "mul", "div"], values: Sequence[float]) -> Derived:
    """The values of the branches at one position; `sub` and `div` take the others from the first, one after another."""
    operation, sign = _OPERATIONS[kind]
    result = reduce(operation, map(np.float64, values))
    magnitude = float(sum(map(abs, values)) if kind in ("add", "sub") else abs(result))
    text = f"{sign.join(map(number, values))} = {result:.6g}"
    return Derived(float(result), magnitude, text, ElementwiseWork(inputs=list(values)))


# Of NumPy's numbers, which divide by zero as a network does.
_OPERATIONS: Mapping[str, tuple[Callable[[Any, Any], Any], str]] = {
    "add": (operator.add, " + "),
    "sub": (operator.sub, " - "),
    "mul": (operator.mul, "*"),
    "div": (operator.truediv, "/"),
}
