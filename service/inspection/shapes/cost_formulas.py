"""What a layer costs as products with their numbers: `96*3*11*11 + 96 = 34,944` parameters.

Knows layers and shapes; the numbers behind the equals signs are those of `service.inspection.shapes.costs`.
"""

from collections.abc import Iterable, Mapping
from math import prod

from service.inspection.graph.layers import Layer
from service.inspection.shapes.costs import biases, dense_inputs, summed
from service.inspection.shapes.tensor_types import UNKNOWN, TensorType, known_sizes

Types = Mapping[str, TensorType]
Sizes = tuple[int, ...]

_CONVOLUTIONS = frozenset({"conv", "transposed_conv"})


def parameters_formula(layer: Layer, types: Types, parameters: int | None) -> str | None:
    """Weights + biases = `parameters`; None where there are none, or where they follow no such product."""
    shapes = [known_sizes(types.get(name, UNKNOWN).dims) for name in layer.weights]
    weight = shapes[0] if shapes else None
    if not parameters or not weight:
        return None
    if layer.kind == "batch_norm":
        return f"2*{prod(weight)} = {parameters:,}"
    if layer.kind in (*_CONVOLUTIONS, "dense") and len(weight) > 1:
        added = biases(layer, types) if layer.kind == "dense" else (len(shapes) > 1) * _channels_out(layer, weight)
        bias = f" + {added}" if added else ""
        matrices = map(str, weight[:-2]) if layer.kind == "dense" else ()
        return f"{_product((*matrices, *_weight_factors(layer, weight)))}{bias} = {parameters:,}"
    learned = [sizes for sizes in shapes if sizes and prod(sizes) > 1]
    if sum(map(prod, learned)) != parameters:  # some of them are no trained numbers
        return None
    return f"{' + '.join(_product(map(str, sizes)) for sizes in learned)} = {parameters:,}"


def macs_formula(layer: Layer, types: Types, macs: int | None) -> str | None:
    """Positions times the products at each of them = `macs`; None where there are none. A batch of 1 is not said."""
    weight = known_sizes(types.get(layer.weights[0], UNKNOWN).dims) if layer.weights else None
    before = known_sizes(types.get(layer.inputs[0], UNKNOWN).dims) if layer.inputs else None
    after = known_sizes(types.get(layer.output, UNKNOWN).dims)
    if not macs or not before or not after:
        return None
    if layer.kind in ("matmul", "gemm"):
        terms = summed(layer, types)
        return None if terms is None else f"{_product(_without_ones((*after, terms)))} = {macs:,}"
    if layer.kind not in (*_CONVOLUTIONS, "dense") or not weight or len(weight) < 2:
        return None
    grid = before if layer.kind == "transposed_conv" else after
    positions = after[:-1] if layer.kind == "dense" else (grid[0], *grid[2:])
    return f"{_product((*_without_ones(positions), *_weight_factors(layer, weight)))} = {macs:,}"


def _weight_factors(layer: Layer, weight: Sizes) -> list[str]:
    """Outputs, inputs, kernel; of a grouped convolution each kernel sees (or makes) only its group's channels."""
    if layer.kind == "dense":
        return list(map(str, reversed(dense_inputs(layer, weight))))
    shared = f"({weight[1] * layer.groups}/{layer.groups})" if layer.groups > 1 else f"{weight[1]}"
    return [f"{weight[0]}", shared, *map(str, weight[2:])]


def _channels_out(layer: Layer, weight: Sizes) -> int:
    return weight[0] if layer.kind == "conv" else weight[1] * layer.groups


def _without_ones(factors: Sizes) -> list[str]:
    return [str(factor) for factor in factors if factor != 1]


def _product(factors: Iterable[str]) -> str:
    return "*".join(factors) or "1"
