"""The picture a network takes: which axes are its height and width, and which sizes may be asked for.

Decides with the graph's structure and the declared dimensions; infers no shapes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx

from service.errors import InvalidParameterError
from service.images.preprocessing import MAX_SIDE
from service.inspection.graph.constants import image_input
from service.inspection.graph.layers import Layer

Dims = tuple[int | None, ...]

# Larger than any batch a machine of today can hold; keeps the products inside ONNX's 64-bit dimensions.
MAX_BATCH = 65_536

_WINDOWED = frozenset({"conv", "transposed_conv", "max_pool", "average_pool", "lp_pool"})
_KEEPS_AXES = frozenset(
    {"cast", "mul", "add", "sub", "div", "identity", "gather", "batch_norm", "quantize_linear", "dequantize_linear"}
)


@dataclass(frozen=True)
class Picture:
    """The image input with its sizes filled in. `axes` are the spatial ones, `symbols` what free names stand for."""

    tensor: str
    dims: Dims
    axes: tuple[int, ...]
    symbols: Mapping[str, int]

    @property
    def size(self) -> Dims:
        """Along `axes`: height and width for a two-dimensional network."""
        return tuple(self.dims[axis] for axis in self.axes)


def picture(
    model: onnx.ModelProto, layers: Sequence[Layer], batch: int | None, height: int | None, width: int | None
) -> Picture | None:
    """The image input at the asked size; what is not asked stays as declared, a free batch is 1.

    None where the network takes no input of known rank. Raises InvalidParameterError for a size that is out of range
    or that the file has fixed to another value.
    """
    value = image_input(model.graph)
    _require_range("batch", batch, MAX_BATCH)
    _require_range("height", height, MAX_SIDE)
    _require_range("width", width, MAX_SIDE)
    if value is None or not value.type.tensor_type.HasField("shape") or not value.type.tensor_type.shape.dim:
        _require_none_asked(batch, height, width)
        return None
    declared = value.type.tensor_type.shape.dim
    axes = spatial_axes(value, layers)
    if len(axes) != 2:
        _require_none_asked(None, height, width)
    asked = {0: ("batch", batch)} | dict(zip(axes, (("height", height), ("width", width)), strict=False))
    dims = tuple(_dimension(dim, *asked.get(axis, ("", None))) for axis, dim in enumerate(declared))
    symbols = {dim.dim_param: size for dim, size in zip(declared, dims, strict=True) if dim.dim_param and size}
    return Picture(value.name, dims, axes, symbols)


def spatial_axes(value: onnx.ValueInfoProto, layers: Sequence[Layer]) -> tuple[int, ...]:
    """Which axes of the input become the spatial axes of the first convolution or pooling.

    Followed through casts, arithmetic and transpositions; where that ends early, the axis with 1, 3 or 4 entries is
    taken for the channels, and NCHW where both or neither are.
    """
    dims = value.type.tensor_type.shape.dim
    origins = {value.name: tuple(range(len(dims)))}
    for layer in layers:
        origin = origins.get(layer.inputs[0]) if layer.inputs else None
        if not origin:
            continue
        if layer.kind in _WINDOWED:
            return origin[2:]
        origins[layer.output] = _moved(origin, layer)
    last_is_channels = len(dims) == 4 and dims[3].dim_value in (1, 3, 4) and dims[1].dim_value not in (1, 3, 4)
    return (1, 2) if last_is_channels else tuple(range(2, len(dims)))


def _moved(origin: tuple[int, ...] | None, layer: Layer) -> tuple[int, ...]:
    """Where the axes of the layer's output come from; empty where that is not known."""
    if origin is None:
        return ()
    if layer.kind == "transpose":
        order = layer.integers("perm") or tuple(reversed(range(len(origin))))
        return tuple(origin[axis] for axis in order) if sorted(order) == list(range(len(origin))) else ()
    return origin if layer.kind in _KEEPS_AXES else ()


def _dimension(declared: onnx.TensorShapeProto.Dimension, name: str, asked: int | None) -> int | None:
    fixed = declared.dim_value if declared.HasField("dim_value") and declared.dim_value > 0 else None
    if asked is not None and fixed is not None and asked != fixed:
        remedy = f"this network's {name} is fixed at {fixed}: leave it out, or export the network with a free {name}"
        raise InvalidParameterError(name, asked, remedy)
    return fixed or asked or (1 if name == "batch" else None)


def _require_range(name: str, value: int | None, limit: int) -> None:
    if value is not None and not 1 <= value <= limit:
        raise InvalidParameterError(name, value, f"ask for 1 to {limit:,}")


def _require_none_asked(batch: int | None, height: int | None, width: int | None) -> None:
    for name, value in (("height", height), ("width", width), ("batch", batch)):
        if value is not None:
            raise InvalidParameterError(name, value, f"this network's input has no {name}: leave it out")
