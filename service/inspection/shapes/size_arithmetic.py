"""What a graph computes about its own sizes: the small integer tensors behind a Pad, Slice, Resize or Reshape.

ONNX's shape inference follows some of this arithmetic and stops at the rest (a Pad whose widths are sliced and turned
round, an Expand to a concatenated shape). Evaluates small constants only; reads no weight and runs no network.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import onnx
from onnx.helper import tensor_dtype_to_np_dtype
from onnx.numpy_helper import to_array

from service.inspection.shapes.input_size import Dims

Value = np.ndarray[Any, np.dtype[Any]]

# No size is written with more numbers; a hostile file cannot ask for a large tensor here.
MAX_ELEMENTS = 64
_NESTED = 200


class Sizes:
    """Values by name, each computed once when asked for. `dims_of` says a tensor's sizes, as far as they are known."""

    def __init__(self, graph: onnx.GraphProto, dims_of: Callable[[str], Dims | None]) -> None:
        self._initializers = {tensor.name: tensor for tensor in graph.initializer}
        self._makers = {name: node for node in graph.node for name in node.output if name}
        self._dims_of = dims_of
        self._found: dict[str, Value | None] = {}

    def value(self, name: str, depth: int = 0) -> Value | None:
        """None where it depends on the image or on a size that is not known, or is too large to be a size."""
        if name not in self._found:
            self._found[name] = None
            self._found[name] = self._computed(name, depth)
        return self._found[name]

    def _computed(self, name: str, depth: int) -> Value | None:
        if name in self._initializers:
            return _read(self._initializers[name])
        node = self._makers.get(name)
        if node is None or depth > _NESTED or node.domain not in ("", "ai.onnx") or name != node.output[0]:
            return None
        settings = {attribute.name: attribute for attribute in node.attribute}
        if node.op_type == "Constant":
            return _constant(settings)
        if node.op_type in ("Shape", "Size"):
            return _sizes(node.op_type, self._dims_of(node.input[0]), settings)
        rule = _RULES.get(node.op_type)
        inputs = [self.value(each, depth + 1) if each else None for each in node.input]
        if rule is None or not inputs or any(v is None for v, each in zip(inputs, node.input, strict=True) if each):
            return None
        return _small(rule, inputs, settings)


Settings = Mapping[str, onnx.AttributeProto]
Rule = Callable[[Sequence[Any], Settings], Any]


def _small(rule: Rule, inputs: Sequence[Value | None], settings: Settings) -> Value | None:
    try:
        with np.errstate(all="ignore"):
            result = np.asarray(rule(inputs, settings))
    except (ValueError, TypeError, IndexError, KeyError, OverflowError, ZeroDivisionError):
        return None  # the file's own mistake: the runtime would refuse it too
    return result if result.size <= MAX_ELEMENTS else None


def _read(tensor: onnx.TensorProto) -> Value | None:
    if tensor.data_location == onnx.TensorProto.EXTERNAL or not 0 <= prod(tensor.dims) <= MAX_ELEMENTS:
        return None
    try:
        return np.asarray(to_array(tensor))
    except (ValueError, TypeError, KeyError):  # fewer bytes than the dims promise, or a type nobody knows
        return None


def _constant(settings: Settings) -> Value | None:
    for name, attribute in settings.items():
        match name:
            case "value":
                return _read(attribute.t)
            case "value_int" | "value_ints":
                return np.array(attribute.i if name == "value_int" else list(attribute.ints), np.int64)
            case "value_float" | "value_floats":
                return np.array(attribute.f if name == "value_float" else list(attribute.floats), np.float32)
    return None


def _sizes(op_type: str, dims: Dims | None, settings: Settings) -> Value | None:
    if dims is None:
        return None
    if op_type == "Size":
        return None if None in dims else np.array(prod(size or 0 for size in dims), np.int64)
    asked = dims[_int(settings, "start", 0) : _int(settings, "end", len(dims))]
    return None if None in asked else np.array(asked, np.int64)


def _int(settings: Settings, name: str, default: int) -> int:
    return settings[name].i if name in settings else default


# --- the operators that sizes are computed with


def _axes(inputs: Sequence[Any], settings: Settings) -> tuple[int, ...] | None:
    """An attribute until opset 12, an input since."""
    if "axes" in settings:
        return tuple(settings["axes"].ints)
    return tuple(inputs[1].ravel().tolist()) if len(inputs) > 1 and inputs[1] is not None else None


def _squeeze(inputs: Sequence[Any], settings: Settings) -> Any:
    return np.squeeze(inputs[0], _axes(inputs, settings))


def _unsqueeze(inputs: Sequence[Any], settings: Settings) -> Any:
    return np.expand_dims(inputs[0], _axes(inputs, settings) or ())


_CUTS = ("starts", "ends", "axes", "steps")


def _slice(inputs: Sequence[Any], settings: Settings) -> Any:
    if "starts" in settings:
        starts, ends, axes, steps = [list(settings[k].ints) if k in settings else None for k in _CUTS]
    else:
        starts, ends, axes, steps = [None if i is None else i.tolist() for i in [*inputs[1:], None, None][:4]]
    if starts is None or ends is None:
        raise ValueError(starts)
    parts = [slice(None)] * inputs[0].ndim
    for axis, start, end, step in zip(
        axes or range(len(starts)), starts, ends, steps or [1] * len(starts), strict=True
    ):
        # ONNX writes "to the very beginning" as a number far below zero, which numpy clamps in the same way.
        parts[axis] = slice(start, end, step)
    return inputs[0][tuple(parts)]


def _reshape(inputs: Sequence[Any], settings: Settings) -> Any:
    kept = inputs[0].shape
    copies = not _int(settings, "allowzero", 0)
    return inputs[0].reshape([kept[i] if size == 0 and copies else size for i, size in enumerate(inputs[1].tolist())])


def _expanded(value: Any, shape: Sequence[int]) -> Any:
    together = np.broadcast_shapes(value.shape, tuple(shape))
    if prod(together) > MAX_ELEMENTS:
        raise ValueError(together)
    return np.broadcast_to(value, together)


def _constant_of_shape(inputs: Sequence[Any], settings: Settings) -> Any:
    filled = to_array(settings["value"].t).ravel()[0] if "value" in settings else np.float32(0)
    return _expanded(np.asarray(filled), inputs[0].tolist())


def _range(inputs: Sequence[Any], _settings: Settings) -> Any:
    start, limit, delta = (each.item() for each in inputs)
    if (limit - start) / delta > MAX_ELEMENTS:
        raise ValueError(limit)
    return np.arange(start, limit, delta, dtype=inputs[0].dtype)


def _divided(inputs: Sequence[Any], _settings: Settings) -> Any:
    """Of integers: rounded towards zero, as in C."""
    dividend, divisor = inputs
    if not np.issubdtype(dividend.dtype, np.integer):
        return dividend / divisor
    return (np.sign(dividend) * np.sign(divisor) * (np.abs(dividend) // np.abs(divisor))).astype(dividend.dtype)


def _transposed(inputs: Sequence[Any], settings: Settings) -> Any:
    return np.transpose(inputs[0], list(settings["perm"].ints) if "perm" in settings else None)


def _gathered(inputs: Sequence[Any], settings: Settings) -> Any:
    return np.take(inputs[0], inputs[1], axis=_int(settings, "axis", 0))


def _cast(inputs: Sequence[Any], settings: Settings) -> Any:
    return inputs[0].astype(tensor_dtype_to_np_dtype(settings["to"].i))


def _product(inputs: Sequence[Any], settings: Settings) -> Any:
    return np.prod(inputs[0], axis=_axes(inputs, settings), keepdims=bool(_int(settings, "keepdims", 1)))


def _folded(function: Callable[[Any, Any], Any]) -> Rule:
    def rule(inputs: Sequence[Any], _settings: Settings) -> Any:
        result = inputs[0]
        for each in inputs[1:]:
            result = function(result, each)
        return result

    return rule


_RULES: Mapping[str, Rule] = {
    "Identity": lambda inputs, _: inputs[0],
    "Cast": _cast,
    "CastLike": lambda inputs, _: inputs[0].astype(inputs[1].dtype),
    "Gather": _gathered,
    "Slice": _slice,
    "Concat": lambda inputs, settings: np.concatenate(inputs, settings["axis"].i),
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Reshape": _reshape,
    "Transpose": _transposed,
    "Expand": lambda inputs, _: _expanded(inputs[0], inputs[1].tolist()),
    "ConstantOfShape": _constant_of_shape,
    "Range": _range,
    "Add": _folded(operator.add),
    "Sub": _folded(operator.sub),
    "Mul": _folded(operator.mul),
    "Div": _divided,
    "Mod": _folded(np.mod),
    "Min": _folded(np.minimum),
    "Max": _folded(np.maximum),
    "Neg": lambda inputs, _: -inputs[0],
    "Abs": lambda inputs, _: abs(inputs[0]),
    "Floor": lambda inputs, _: np.floor(inputs[0]),
    "Ceil": lambda inputs, _: np.ceil(inputs[0]),
    "Equal": _folded(np.equal),
    "Greater": _folded(np.greater),
    "Less": _folded(np.less),
    "Not": lambda inputs, _: ~inputs[0],
    "And": _folded(np.logical_and),
    "Or": _folded(np.logical_or),
    "Where": lambda inputs, _: np.where(*inputs),
    "ReduceProd": _product,
}
