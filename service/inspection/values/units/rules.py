"""How a value of each kind of layer is re-derived: from its tensors, settings and weights to the bare arithmetic.

Knows layers and weights; the sums are in the modules beside this one. Never sees the layer's own output.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, cast

import numpy as np
import onnx

from service.inspection.graph.constants import opset_of
from service.inspection.graph.layers import Layer
from service.inspection.graph.steps import PLAIN_SOFTMAX
from service.inspection.values.units import dense, elementwise, normalization, window_rules
from service.inspection.values.units.asked import Asked, constant_weights, numbers, refused
from service.inspection.values.units.derived import Derived
from service.inspection.values.units.places import Place
from service.inspection.values.weights import evaluated, weights_by_role


def derived(asked: Asked) -> Derived:
    """Raises InvalidParameterError for a kind of layer, or a setting, that has no rule here."""
    rule = RULES.get(asked.layer.kind)
    if rule is None:
        known = ", ".join(sorted(RULES))
        raise refused(asked.layer, f"a {asked.layer.kind} is not re-derived; these are: {known}")
    with np.errstate(all="ignore"):  # a network may overflow; its null is in the answer beside ours
        return rule(asked)


def followed(model: onnx.ModelProto, layer: Layer, shape: tuple[int, ...], place: Place, before: Derived) -> Derived:
    """The value of a layer of FOLLOWING behind the one that `before` is of: from our own value, not the runtime's.

    `shape` is that of both layers' outputs without the batch.
    """
    with np.errstate(all="ignore"):
        if layer.kind == "batch_norm":
            return _batch_norm(model, layer, shape, place, before.value, before.magnitude)
        _refuse_an_unstated_slope(layer)
        return elementwise.activation(layer.kind, before.value, before.magnitude, numbers(model, layer))


# --- sums over all inputs


def _dense(asked: Asked) -> Derived:
    if asked.layer.settings.get("transA") == 1:
        raise refused(asked.layer, "its input is transposed (transA)")
    *position, unit = asked.place
    weights = constant_weights(asked)
    row, weight, bias = asked.maps[tuple(position)], weights["weight"][unit], weights.get("bias")
    if row.shape != weight.shape:
        raise refused(asked.layer, f"it takes {weight.size} inputs and is given {row.size}")
    return dense.dense(row, weight, None if bias is None else float(bias[unit]))


def _softmax(asked: Asked) -> Derived:
    """Over one axis; the operator itself before opset 13 over all from that axis on together."""
    scores, place = asked.maps, asked.place
    legacy = opset_of(asked.model) < PLAIN_SOFTMAX and len(asked.layer.op_types) == 1
    axis = asked.layer.settings.get("axis")
    if not isinstance(axis, int):
        raise refused(asked.layer, "the file does not say which axis it is over")
    along = axis % (scores.ndim + 1) - 1
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
    found = numbers(asked.model, asked.layer)
    alpha, beta, bias = (found.get(name, default) for name, default in (("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0)))
    column = np.moveaxis(asked.maps, 0, -1)[tuple(position)]
    return normalization.local_response(column, channel, size, alpha, beta, bias)


def _batch_norm_unit(asked: Asked) -> Derived:
    value = float(asked.maps[asked.place])
    return _batch_norm(asked.model, asked.layer, asked.maps.shape, asked.place, value, abs(value))


def _batch_norm(
    model: onnx.ModelProto, layer: Layer, shape: tuple[int, ...], place: Place, value: float, magnitude: float
) -> Derived:
    """Keras' exporter writes it as one product and one sum: then the mean and the variance are inside these."""
    weights = weights_by_role(model, layer)
    if layer.op_types == ("Mul", "Add") and len(weights) == 2:
        scale, bias = (_at(place, layer, weights[role], shape) for role in ("scale", "bias"))
        return normalization.batch_norm(value, magnitude, 0.0, 1.0, 0.0, scale, bias)
    if layer.op_types != ("BatchNormalization",) or len(weights) != 4:
        made_of = ", ".join(layer.op_types)
        raise refused(layer, f"it is made of {made_of} with {len(weights)} weights, not scale, bias, mean and variance")
    channels = (-1, *(1 for _ in shape[1:]))  # the operator has them on the first axis behind the batch
    scale, bias, mean, variance = (_at(place, layer, weights[role].reshape(channels), shape) for role in _BATCH_NORM)
    epsilon = numbers(model, layer).get("epsilon", 1e-5)
    return normalization.batch_norm(value, magnitude, mean, variance, epsilon, scale, bias)


def _at(place: Place, layer: Layer, weight: np.ndarray, shape: tuple[int, ...]) -> float:
    """Of a weight that is broadcast over a layer's output."""
    try:
        return float(np.broadcast_to(_unbatched(weight, len(shape)), shape)[place])
    except ValueError:
        sizes = "x".join(map(str, weight.shape))
        raise refused(layer, f"its weights of {sizes} do not fit its input") from None


def _activation(asked: Asked) -> Derived:
    _refuse_an_unstated_slope(asked.layer)
    value = float(asked.maps[asked.place])
    return elementwise.activation(asked.layer.kind, value, abs(value), numbers(asked.model, asked.layer))


def _refuse_an_unstated_slope(layer: Layer) -> None:
    """The standard's default holds for the standard's operator, not for a formula of several."""
    if (
        layer.kind in ("hard_sigmoid", "leaky_relu", "elu")
        and len(layer.op_types) > 1
        and "alpha" not in layer.settings
    ):
        raise refused(layer, f"it is made of {', '.join(layer.op_types)}, and nothing states its slope")


def _combined(asked: Asked) -> Derived:
    """Operands in the file's order, smaller ones broadcast; a constant one may stand before the branch."""
    constants = dict(zip(asked.layer.weights, evaluated(asked.model, asked.layer.weights), strict=True))
    branches = dict(zip(asked.layer.inputs, asked.inputs, strict=True))
    rank = len(asked.place)
    operands = [branches[name] if name in branches else _unbatched(constants[name], rank) for name in _operands(asked)]
    shape = np.broadcast_shapes(*(operand.shape for operand in operands))
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


def _unbatched(constant: np.ndarray, rank: int) -> np.ndarray:
    return constant[0] if constant.ndim > rank else constant


_BATCH_NORM = ("scale", "bias", "mean", "variance")
RULES: Mapping[str, Callable[[Asked], Derived]] = {
    "conv": window_rules.convolution_unit,
    "transposed_conv": window_rules.transposed_convolution_unit,
    "max_pool": window_rules.max_pool_unit,
    "average_pool": window_rules.average_pool_unit,
    "lp_pool": window_rules.l2_pool_unit,
    "global_average_pool": window_rules.global_average_pool_unit,
    "reduce_mean": window_rules.global_average_pool_unit,
    "global_max_pool": window_rules.global_max_pool_unit,
    "dense": _dense,
    "softmax": _softmax,
    "log_softmax": _softmax,
    "local_response_norm": _local_response_norm,
    "batch_norm": _batch_norm_unit,
    **dict.fromkeys(elementwise.ACTIVATIONS, _activation),
    **dict.fromkeys(("add", "sub", "mul", "div"), _combined),
}
FOLLOWING = frozenset({"batch_norm", *elementwise.ACTIVATIONS})
