"""One output value of a layer, re-derived from the layer's input and the file's weights, beside the runtime's own.

Knows no HTTP. How each kind of layer is derived is `service.inspection.values.units`.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated

import numpy as np
import onnx
from pydantic import BaseModel, ConfigDict, Field

from service.arrays import NetworkInput
from service.errors import FoveaError
from service.images.decoding import ImageLimits
from service.inspection.forms import Reply, as_json
from service.inspection.graph.layers import Layer
from service.inspection.network import Network
from service.inspection.shapes.tensor_types import UNKNOWN
from service.inspection.values.geometry import geometry
from service.inspection.values.units.asked import Asked, refused
from service.inspection.values.units.convolution import ConvolutionWork
from service.inspection.values.units.dense import DenseWork
from service.inspection.values.units.derived import Derived
from service.inspection.values.units.elementwise import ElementwiseWork
from service.inspection.values.units.normalization import BatchNormWork, LocalResponseWork, SoftmaxWork
from service.inspection.values.units.places import Place, ReceptiveFieldBox, place, receptive_box
from service.inspection.values.units.pooling import PoolingWork
from service.inspection.values.units.rules import FOLLOWING, derived, followed

RELATIVE_TOLERANCE = 1e-4
_HALF_TOLERANCE = 2e-3  # float16 and bfloat16 round each value to 2^-11 and 2^-8 of itself
_BFLOAT_TOLERANCE = 2e-2
# A sum whose terms cancel is as exact as its terms: units of the last place that float32 (float16) sums may be off.
_ULPS_OF_TERMS = 8

AnyWork = Annotated[
    ConvolutionWork | PoolingWork | DenseWork | LocalResponseWork | SoftmaxWork | BatchNormWork | ElementwiseWork,
    Field(discriminator="form"),
]


class UnitQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    channel: int | None = Field(default=None, ge=0, description="channel of the output, or unit of a dense layer")
    y: int | None = Field(default=None, ge=0, description="row of the output, from the top; not for a dense layer")
    x: int | None = Field(default=None, ge=0, description="column of the output, from the left")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, ser_json_inf_nan="null", protected_namespaces=())


class Comparison(_Frozen):
    """Ours in float64 and the runtime's."""

    value: float | None = Field(description="derived here, in float64; null where it is not finite")
    runtime: float | None = Field(description="what ONNX Runtime computed")
    relative_difference: float | None = Field(description="of the two, in parts of the larger magnitude")
    allowed_difference: float = Field(
        description="1e-4 of the runtime's value (2e-3 in float16), or what rounding can do to terms that cancel"
    )
    agrees: bool


class _Behind(_Frozen):
    layer: str
    kind: str
    text: str


class Following(Comparison, _Behind):
    """A layer that works on this value alone, derived on from our value."""


class _Where(_Frozen):
    model: str
    version: int
    layer: str
    kind: str
    tensor: str = Field(description="the ONNX tensor with the layer's output")
    output_shape: list[int]
    channel: int
    y: int | None
    x: int | None


class Unit(Comparison, _Where):
    """One value, how it comes about, and what it sees."""

    text: str = Field(description="the sum written out; of a long one the largest terms")
    work: AnyWork
    followed_by: list[Following] = Field(description="batch normalisation and the activation behind it, if any")
    receptive_field: ReceptiveFieldBox | None = Field(description="null where the graph does not tell")


def unit(
    network: Network, name: str, data: bytes, query: UnitQuery, limits: ImageLimits, model: str, version: int
) -> Reply:
    """One value of layer `name` for one image file. Runs the network only as far as that layer and its activation."""
    return as_json(derived_unit(network, name, network.input(data, limits), query, model, version))


def derived_unit(
    network: Network, name: str, image: NetworkInput, query: UnitQuery, model: str = "", version: int = 0
) -> Unit:
    """As `unit`, for an image that is prepared already."""
    layer = network.layer(name)
    after = list(_following(layer, network.layers))
    wanted = [*layer.inputs, layer.output, *(each.output for each in after)]
    values = {tensor: _unbatched(layer, found) for tensor, found in network.values(wanted, image).items()}
    output = values[layer.output]
    index = place(layer, output.shape, {"channel": query.channel, "y": query.y, "x": query.x})
    ours = derived(Asked(network.file.model, layer, tuple(values[name] for name in layer.inputs), index))
    around = geometry(network)
    element = around.types.get(layer.output, UNKNOWN).element
    coordinates = _coordinates(layer, index)
    return Unit(
        **_comparison(ours, float(output[index]), element),
        model=model,
        version=version,
        layer=layer.id,
        kind=layer.kind,
        tensor=layer.output,
        output_shape=list(output.shape),
        **coordinates,
        text=ours.text,
        work=ours.work,
        followed_by=_derived_on(network, after, index, ours, values, element),
        receptive_field=receptive_box(around.views.get(layer.output), index, around.size),
    )


def _coordinates(layer: Layer, index: Place) -> dict[str, int | None]:
    *spatial, channel = index if layer.kind == "dense" else (*index[1:], index[0])
    x = spatial[-1] if spatial else None
    return {"channel": channel, "y": spatial[0] if len(spatial) > 1 else None, "x": x}


def _unbatched(layer: Layer, values: np.ndarray) -> np.ndarray:
    if values.ndim < 2 or values.shape[0] != 1 or values.dtype.kind not in "fiub":
        shape = "x".join(map(str, values.shape))
        raise refused(layer, f"a tensor of {shape} is not one row of numbers per image")
    first: np.ndarray = values[0]
    return first


def _following(layer: Layer, layers: Sequence[Layer]) -> Iterator[Layer]:
    """The layers that work on this one's values alone, up to the first activation, where nothing else reads them."""
    while layer.kind in ("conv", "transposed_conv", "dense", "batch_norm"):
        readers = [each for each in layers if layer.output in each.inputs]
        if len(readers) != 1 or readers[0].kind not in FOLLOWING or readers[0].inputs != (layer.output,):
            return
        (layer,) = readers
        yield layer


def _derived_on(
    network: Network,
    after: Sequence[Layer],
    index: Place,
    ours: Derived,
    values: dict[str, np.ndarray],
    element: int,
) -> list[Following]:
    """As far as what follows can be derived: where it cannot, the value asked for is an answer all the same."""
    found: list[Following] = []
    for layer in after:
        try:
            ours = followed(network.file.model, layer, values[layer.output].shape, index, ours)
        except FoveaError:
            return found
        compared = _comparison(ours, float(values[layer.output][index]), element)
        found.append(Following(**compared, layer=layer.id, kind=layer.kind, text=ours.text))
    return found


def _comparison(ours: Derived, runtime: float, element: int) -> dict[str, float | bool | None]:
    relative, ulp, smallest = _precision(element)
    rounding = _ULPS_OF_TERMS * ulp * ours.magnitude
    allowed = max(relative * abs(runtime), rounding if np.isfinite(rounding) else 0.0, smallest)
    both_finite = bool(np.isfinite(ours.value) and np.isfinite(runtime))
    difference = abs(ours.value - runtime)
    same = ours.value == runtime or (np.isnan(ours.value) and np.isnan(runtime))
    return {
        "value": ours.value if np.isfinite(ours.value) else None,
        "runtime": runtime if np.isfinite(runtime) else None,
        "relative_difference": 0.0 if same else _relative(difference, ours.value, runtime) if both_finite else None,
        "allowed_difference": allowed if np.isfinite(allowed) else 0.0,
        "agrees": bool(same or (both_finite and difference <= allowed)),
    }


def _relative(difference: float, first: float, second: float) -> float:
    return float(difference / max(abs(first), abs(second)))


def _precision(element: int) -> tuple[float, float, float]:
    """(relative tolerance, unit of the last place, smallest normal number) of the type that the runtime computes in."""
    if element == onnx.TensorProto.FLOAT16:
        return _HALF_TOLERANCE, 2.0**-10, 2.0**-14
    if element == onnx.TensorProto.BFLOAT16:
        return _BFLOAT_TOLERANCE, 2.0**-7, 2.0**-126
    return RELATIVE_TOLERANCE, 2.0**-23, 2.0**-126
