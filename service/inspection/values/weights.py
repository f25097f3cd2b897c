"""The weights of a layer as arrays by what they do, also those that the file computes from others.

ONNX's reference evaluator computes them, never the runtime: what is derived from them can bear witness against it.
Knows no image.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import onnx
from onnx.numpy_helper import to_array
from onnx.reference import ReferenceEvaluator

from service.errors import UnsupportedModelError, shown
from service.inspection.graph.layers import Layer
from service.inspection.prefix_sessions import prefix
from service.inspection.shapes.tensor_types import UNKNOWN, tensor_types

MAX_COMPUTED_ELEMENTS = 2**28  # 1 GiB of float32; stored weights are bounded by their file
# What exporters put between a stored weight and its layer, and networks that standardise their kernels. Nothing here
# loops, draws, or reads beyond its inputs.
_PREPARES = (
    "Abs Add BatchNormalization Cast Clip Concat Constant ConstantOfShape DequantizeLinear Div Exp Expand Flatten "
    "Gather Identity Max Min Mul Neg Pow QuantizeLinear Reciprocal ReduceL2 ReduceMean ReduceSum ReduceSumSquare "
    "Reshape Shape Slice Split Sqrt Squeeze Sub Transpose Unsqueeze"
)
_ROLES = {
    "conv": ("weight", "bias"),
    "transposed_conv": ("weight", "bias"),
    "dense": ("weight", "bias"),
    "batch_norm": ("scale", "bias", "mean", "variance"),
}


def weights_by_role(model: onnx.ModelProto, layer: Layer) -> dict[str, np.ndarray]:
    """A layer's weights in the file's own type, empty for a kind that has no roles.

    conv: `weight` [outputs, inputs / groups, *kernel] and `bias` [outputs], where there is one; transposed_conv:
    `weight` as ONNX has it, [inputs, outputs / groups, *kernel]; dense: `weight` [outputs, inputs] with Gemm's alpha
    in it, `bias` with its beta; batch_norm: `scale`, `bias`, `mean`, `variance`. Raises UnsupportedModelError for a
    weight that cannot be evaluated.
    """
    roles = _ROLES.get(layer.kind, ())
    arrays = dict(zip(roles, evaluated(model, _by_role(layer)[: len(roles)]), strict=False))
    if layer.kind == "dense" and arrays:
        arrays["weight"] = _dense_weight(layer, arrays["weight"])
        if "bias" in arrays:
            arrays["bias"] = _scaled(arrays["bias"], layer.settings.get("beta"))
    if "bias" in arrays and "weight" in arrays:
        arrays["bias"] = _one_per_output(arrays["bias"], _outputs(layer, arrays["weight"]))
    return arrays


def _by_role(layer: Layer) -> Sequence[str]:
    """One name for each role, also where two roles have the same tensor."""
    _, *stated = layer.operands or ("",)
    shared = layer.kind == "batch_norm" and len(stated) >= 4 and set(layer.inputs).isdisjoint(stated)
    return stated if shared else layer.weights


def evaluated(model: onnx.ModelProto, names: Sequence[str]) -> list[np.ndarray]:
    """The tensors of these names, which no image may change. Stored ones are read in place where numpy can."""
    stored = {tensor.name: tensor for tensor in model.graph.initializer if tensor.name in names}
    computed = [name for name in names if name not in stored]
    found = {name: _guarded(name, partial(to_array, tensor)) for name, tensor in stored.items()}
    if computed:
        part = prefix(model, computed)
        _refuse_what_is_no_preparation(part.graph.node, computed)
        _refuse_too_large(part, computed)
        values = _guarded(computed[0], lambda: ReferenceEvaluator(part).run(None, {}))
        found |= dict(zip(computed, map(np.asarray, values), strict=True))
    return [found[name] for name in names]


def _guarded(name: str, work: Any) -> Any:
    """The evaluator and the reader raise whatever their operator's Python raises."""
    try:
        return work()
    except Exception as error:
        raise _not_evaluated(name, str(error)) from error


def _refuse_what_is_no_preparation(nodes: Iterable[onnx.NodeProto], names: Sequence[str]) -> None:
    for node in nodes:
        if node.op_type not in _PREPARES.split() or node.domain not in ("", "ai.onnx"):
            raise _not_evaluated(names[0], f"{node.op_type} stands between it and what is stored")


def _refuse_too_large(part: onnx.ModelProto, names: Sequence[str]) -> None:
    """A few bytes may ask for any number of elements."""
    types = tensor_types(part, None)
    for tensor in (name for node in part.graph.node for name in node.output):
        count = types.get(tensor, UNKNOWN).count
        if count is None or count > MAX_COMPUTED_ELEMENTS:
            found = "nobody knows how many" if count is None else f"{count:,}"
            raise _not_evaluated(names[0], f"it takes {found} elements; at most {MAX_COMPUTED_ELEMENTS:,} are computed")


def _dense_weight(layer: Layer, weight: np.ndarray) -> np.ndarray:
    """[outputs, inputs], whichever way round the file has it."""
    if weight.ndim != 2:
        raise _not_evaluated(layer.weights[0], f"a dense layer's weight has 2 axes and this has {weight.ndim}")
    turned = weight if layer.settings.get("transB") == 1 else weight.T
    return _scaled(turned, layer.settings.get("alpha"))


def _scaled(values: np.ndarray, factor: object) -> np.ndarray:
    scaled: np.ndarray = values * values.dtype.type(factor) if isinstance(factor, float) and factor != 1 else values
    return scaled


def _outputs(layer: Layer, weight: np.ndarray) -> int:
    return int(weight.shape[1] * layer.groups if layer.kind == "transposed_conv" else weight.shape[0])


def _one_per_output(bias: np.ndarray, outputs: int) -> np.ndarray:
    """A bias may be stored with axes of length 1 around it, or as one number for all."""
    flat = bias.reshape(-1)
    if flat.size not in (1, outputs):
        raise UnsupportedModelError(
            f"a bias of {flat.size} numbers stands at a layer of {outputs} outputs", "ask for another layer"
        )
    return np.broadcast_to(flat, (outputs,))


def _not_evaluated(name: str, reason: str) -> UnsupportedModelError:
    return UnsupportedModelError(f"weight {shown(name)} cannot be read: {shown(reason, 160)}", "ask for another layer")
