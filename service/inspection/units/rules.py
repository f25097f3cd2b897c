"""How a value of each kind of layer is re-derived: from its tensors, settings and weights to the bare arithmetic.

Knows layers and weights; the sums are in the modules beside this one. Never sees the layer's own output.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import onnx

from service.errors import InvalidParameterError
from service.inspection.arithmetic import Window
from service.inspection.constants import opset_of
from service.inspection.graph import Layer
from service.inspection.layer_windows import SizedWindow, sized_windows
from service.inspection.units import convolution, dense, elementwise, normalization, pooling
from service.inspection.units.derived import Derived
from service.inspection.units.places import Place
from service.inspection.units.windows import Reads, counted, reads
from service.inspection.weights import evaluated, weights_by_role


@dataclass(frozen=True)
class Asked:
    """One value of a layer, at `place`, and what the layer was given: the tensors of its `inputs`, batch axis gone."""

    model: onnx.ModelProto
    layer: Layer
    inputs: tuple[np.ndarray, ...]
    place: Place

    @property
    def maps(self) -> np.ndarray:
        return self.inputs[0]


def derived(asked: Asked) -> Derived:
    """Raises InvalidParameterError for a kind of layer, or a setting, that has no rule here."""
    rule = RULES.get(asked.layer.kind)
    if rule is None:
        known = ", ".join(sorted(RULES))
        raise refused(asked.layer, f"a {asked.layer.kind} is not re-derived; these are: {known}")
    with np.errstate(all="ignore"):  # a network may overflow; its null is in the answer beside ours
        return rule(asked)


def followed(model: onnx.ModelProto, layer: Layer, channel: int, before: Derived) -> Derived:
    """The value of a layer of FOLLOWING behind the one that `before` is of: from our own value, not the runtime's."""
    if layer.kind == "batch_norm":
        return _batch_norm(model, layer, channel, before.value, before.magnitude)
    return elementwise.activation(layer.kind, before.value, before.magnitude, _numbers(model, layer))


def refused(layer: Layer, reason: str) -> InvalidParameterError:
    return InvalidParameterError("layer", layer.id, reason)


# --- sliding windows


def _convolution(asked: Asked) -> Derived:
    """Channel c of G groups reads the inputs of its group only."""
    channel, *position = asked.place
    kernel, bias = _kernel_and_bias(asked, channel)
    weight = kernel[channel]
    first = channel // max(1, len(kernel) // asked.layer.groups) * len(weight)
    read = _reads(asked, position)
    return convolution.convolution(_group(asked, first, len(weight)), weight, bias, read, first)


def _transposed_convolution(asked: Asked) -> Derived:
    channel, *position = asked.place
    kernel, bias = _kernel_and_bias(asked, channel)
    outputs = kernel.shape[1]
    count = len(kernel) // asked.layer.groups
    first = channel // outputs * count
    weight = kernel[first : first + count, channel % outputs]
    return convolution.convolution(_group(asked, first, count), weight, bias, _reads(asked, position), first)


def _kernel_and_bias(asked: Asked, channel: int) -> tuple[np.ndarray, float | None]:
    weights = _weights(asked)
    bias = weights.get("bias")
    return weights["weight"], None if bias is None else float(bias[channel])


def _group(asked: Asked, first: int, count: int) -> np.ndarray:
    group = asked.maps[first : first + count]
    if len(group) != count:
        raise refused(asked.layer, f"its kernels take channels {first} to {first + count - 1} of {len(asked.maps)}")
    return group


def _reads(asked: Asked, position: Sequence[int]) -> list[Reads]:
    windows = _windows(asked)
    sizes = asked.maps.shape[1:]
    return [
        reads(sized.window, sized.padding[0], size, output)
        for sized, size, output in zip(windows, sizes, position, strict=True)
    ]


def _windows(asked: Asked) -> tuple[SizedWindow, ...]:
    windows = sized_windows(asked.layer, asked.maps.shape[1:])
    if windows is None:
        raise refused(asked.layer, "the file's numbers for its window make no sense")
    return windows


def _max_pool(asked: Asked) -> Derived:
    channel, *position = asked.place
    return pooling.maximum(asked.maps[channel], _reads(asked, position))


def _average_pool(asked: Asked) -> Derived:
    channel, *position = asked.place
    divisor = _padded_count(asked, position) if asked.layer.settings.get("count_include_pad") == 1 else None
    return pooling.average(asked.maps[channel], _reads(asked, position), divisor)


def _padded_count(asked: Asked, position: Sequence[int]) -> int:
    counts = [
        counted(sized.window, sized.padding, size, output)
        for sized, size, output in zip(_windows(asked), asked.maps.shape[1:], position, strict=True)
        if isinstance(sized.window, Window)
    ]
    return int(np.prod(counts))


def _l2_pool(asked: Asked) -> Derived:
    channel, *position = asked.place
    return pooling.power_mean(asked.maps[channel], _reads(asked, position), _power(asked.layer))


def _power(layer: Layer) -> int:
    power = layer.settings.get("p", 2)
    if not isinstance(power, int) or power < 1:
        raise refused(layer, f"its power p is {power}")
    return power


def _global(asked: Asked) -> tuple[np.ndarray, list[Reads]]:
    """The whole of one channel: the last axes of the input, or those that a ReduceMean names."""
    axes = asked.layer.integers("axes")
    rank = asked.maps.ndim + 1
    reduced = sorted(axis % rank for axis in axes) if axes else list(range(2, rank))
    channels = [axis for axis in range(1, rank) if axis not in reduced]
    if len(channels) != 1:
        raise refused(asked.layer, f"it reduces axes {reduced} of {rank}: not one channel remains")
    channel = max(asked.place)  # the other coordinates, where there are any, have one value only
    plane = np.take(asked.maps, channel, axis=channels[0] - 1)
    return plane, [tuple(range(size)) for size in plane.shape]


def _global_average_pool(asked: Asked) -> Derived:
    return pooling.average(*_global(asked), None)


def _global_max_pool(asked: Asked) -> Derived:
    return pooling.maximum(*_global(asked))


# --- sums over all inputs


def _dense(asked: Asked) -> Derived:
    if asked.layer.settings.get("transA") == 1:
        raise refused(asked.layer, "its input is transposed (transA)")
    *position, unit = asked.place
    weights = _weights(asked)
    row, weight, bias = asked.maps[tuple(position)], weights["weight"][unit], weights.get("bias")
    if row.shape != weight.shape:
        raise refused(asked.layer, f"it takes {weight.size} inputs and is given {row.size}")
    return dense.dense(row, weight, None if bias is None else float(bias[unit]))


def _softmax(asked: Asked) -> Derived:
    """Over one axis; before opset 13 over all from that axis on together."""
    scores, place = asked.maps, asked.place
    legacy = opset_of(asked.model) < 13
    axis = asked.layer.settings.get("axis", 1 if legacy else -1)
    rank = scores.ndim + 1
    along = (axis % rank if isinstance(axis, int) else 1) - 1
    if along < 0:
        raise refused(asked.layer, "it compares the images of a batch with each other")
    if legacy:
        head = scores.shape[:along]
        index = int(np.ravel_multi_index(place[along:], scores.shape[along:]))
        row = scores.reshape(*head, -1)[place[:along]]
    else:
        index = place[along]
        row = np.moveaxis(scores, along, -1)[(*place[:along], *place[along + 1 :])]
    return normalization.softmax(row, index, logarithm=asked.layer.kind == "log_softmax")


# --- normalisations and activations


def _local_response_norm(asked: Asked) -> Derived:
    channel, *position = asked.place
    size = asked.layer.settings.get("size")
    if not isinstance(size, int) or size < 1:
        raise refused(asked.layer, "the file does not say how many channels it is over")
    found = _numbers(asked.model, asked.layer)
    alpha, beta, bias = (found.get(name, default) for name, default in (("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0)))
    column = np.moveaxis(asked.maps, 0, -1)[tuple(position)]
    return normalization.local_response(column, channel, size, alpha, beta, bias)


def _batch_norm_unit(asked: Asked) -> Derived:
    value = float(asked.maps[asked.place])
    return _batch_norm(asked.model, asked.layer, asked.place[0], value, abs(value))


def _batch_norm(model: onnx.ModelProto, layer: Layer, channel: int, value: float, magnitude: float) -> Derived:
    weights = weights_by_role(model, layer)
    if len(weights) != 4:
        raise refused(layer, f"it has {len(weights)} weights, not scale, bias, mean and variance")
    scale, bias, mean, variance = (
        float(weights[role].reshape(-1)[channel]) for role in ("scale", "bias", "mean", "variance")
    )
    epsilon = _numbers(model, layer).get("epsilon", 1e-5)
    return normalization.batch_norm(value, magnitude, mean, variance, epsilon, scale, bias)


def _activation(asked: Asked) -> Derived:
    value = float(asked.maps[asked.place])
    return elementwise.activation(asked.layer.kind, value, abs(value), _numbers(asked.model, asked.layer))


def _combined(asked: Asked) -> Derived:
    """Operands in the file's order, smaller ones broadcast; a constant one may stand before the branch."""
    constants = dict(zip(asked.layer.weights, evaluated(asked.model, asked.layer.weights), strict=True))
    branches = dict(zip(asked.layer.inputs, asked.inputs, strict=True))
    shape = np.broadcast_shapes(*(branch.shape for branch in asked.inputs))
    operands = [branches[name] if name in branches else _unbatched(constants[name], shape) for name in _operands(asked)]
    values = [float(np.broadcast_to(operand, shape)[asked.place]) for operand in operands]
    kind = cast("Literal['add', 'sub', 'mul', 'div']", asked.layer.kind)
    return elementwise.combined(kind, values)


def _operands(asked: Asked) -> Sequence[str]:
    """As the node has them, also the same one twice; where it reads copies (Identity) the order of a sum is free."""
    node = next(node for node in asked.model.graph.node if asked.layer.output in node.output)
    known = [*asked.layer.inputs, *asked.layer.weights]
    if set(node.input) <= set(known):
        return list(node.input)
    if asked.layer.kind not in ("add", "mul") or len(known) != len(node.input):
        raise refused(asked.layer, "it is made of several operators")
    return known


def _unbatched(constant: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return constant[0] if constant.ndim > len(shape) else constant


def _weights(asked: Asked) -> dict[str, np.ndarray]:
    weights = weights_by_role(asked.model, asked.layer)
    if "weight" not in weights or len(asked.inputs) != 1:
        raise refused(asked.layer, "its weights are not constants of the file")
    return weights


def _numbers(model: onnx.ModelProto, layer: Layer) -> dict[str, float]:
    """The settings that are single numbers; also a clip's bounds, which newer files hold as weights."""
    found = {name: float(value) for name, value in layer.settings.items() if isinstance(value, int | float)}
    if layer.kind == "clip" and layer.weights:
        node = next(node for node in model.graph.node if layer.output in node.output)
        bounds = {name: tensor for name, tensor in zip(("min", "max"), node.input[1:], strict=False) if tensor}
        values = evaluated(model, list(bounds.values()))
        found |= {name: float(value.reshape(())) for name, value in zip(bounds, values, strict=True)}
    return found


RULES: Mapping[str, Callable[[Asked], Derived]] = {
    "conv": _convolution,
    "transposed_conv": _transposed_convolution,
    "max_pool": _max_pool,
    "average_pool": _average_pool,
    "lp_pool": _l2_pool,
    "global_average_pool": _global_average_pool,
    "reduce_mean": _global_average_pool,
    "global_max_pool": _global_max_pool,
    "dense": _dense,
    "softmax": _softmax,
    "log_softmax": _softmax,
    "local_response_norm": _local_response_norm,
    "batch_norm": _batch_norm_unit,
    **dict.fromkeys(elementwise.ACTIVATIONS, _activation),
    **dict.fromkeys(("add", "sub", "mul", "div"), _combined),
}
FOLLOWING = frozenset({"batch_norm", *elementwise.ACTIVATIONS})
