"""Two images through one network, or one image through two versions: what differs, layer by layer and in the answer.

Knows no HTTP. Layers of two versions are the same where their ids are.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from service.engine.network_interface import Activation
from service.errors import InvalidParameterError, UnknownLayerError
from service.images.comparison import comparison
from service.images.decoding import ImageLimits
from service.inspection import stopping
from service.inspection.answers import Answer, ClassAnswer, answer, finite
from service.inspection.comparing.differences import Difference, difference
from service.inspection.forms import Reply, as_json, as_npz, as_png
from service.inspection.graph.layers import Layer
from service.inspection.maps.channels import as_maps, channel_axis, channels_first
from service.inspection.maps.statistics import LayerStatistics, layer_statistics
from service.inspection.network import Network


class CompareQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    with_version: int | None = Field(
        default=None, ge=0, description="send one image and compare this version's layers; without it, send two images"
    )
    layers: str = Field(
        default="*", max_length=4096, description="ids, aliases, kinds or patterns, with commas between"
    )
    format: Literal["json", "npz", "png"] = Field(default="json", description="measures, numbers, or one picture")
    top: int = Field(default=5, ge=1, le=10_000, description="json: classes in each answer")
    scale: Literal["shared", "channel"] = Field(
        default="shared", description="png: one range for all channels of a and b, or one for each channel of both"
    )
    channel: int | None = Field(default=None, ge=0, description="png: this channel alone, enlarged")
    page: int = Field(default=1, ge=1, description="png: which page of the channels")


@dataclass(frozen=True)
class Side:
    """One of the two: an image file, its name if it has one, and the version that looks at it.

    `activation` is what that version's scores already went through, as its classifier knows.
    """

    data: bytes
    image: str | None
    version: int
    activation: Activation | None


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=(), ser_json_inf_nan="null")


class Compared(_Frozen):
    """What a or b stands for."""

    image: str | None = Field(description="the file name the client sent, if any")
    version: int


class Values(_Frozen):
    """One layer's values on one side; over the finite ones, null where there are none."""

    shape: tuple[int, ...] = Field(description="batch first")
    min: float | None
    mean: float | None
    max: float | None
    std: float | None
    zeros: float | None = Field(description="share of values that are exactly 0, 0..1")


class LayerComparison(_Frozen):
    """One layer on both sides."""

    id: str
    kinds: tuple[str, str] = Field(description="of a and of b: they may differ, as when a batch norm is folded")
    a: Values
    b: Values
    difference: Difference | None = Field(description="null where the shapes differ or no value is finite in both")
    dead_in_a_only: tuple[int, ...] = Field(description="channels that are all 0 in a and not in b")
    dead_in_b_only: tuple[int, ...]


class ClassChange(_Frozen):
    """One class in both answers."""

    label: str
    index: int
    probabilities: tuple[float | None, float | None] = Field(description="in a and in b")
    change: float | None = Field(description="probability in b less that in a")


class ComparedAnswers(_Frozen):
    """The answers of both, most probable class first."""

    a: list[ClassAnswer]
    b: list[ClassAnswer]
    same_class: bool = Field(description="whether the most probable class has the same name")
    changes: list[ClassChange] | None = Field(
        description="classes whose probability changed most; null where the two versions have different classes"
    )


class Compare(_Frozen):
    """The comparison of a with b. Differences are b - a throughout."""

    model: str
    version: int = Field(description="that of the path, which is a's")
    a: Compared
    b: Compared
    answers: ComparedAnswers | None = Field(description="null where one of the versions is no classifier")
    layers: list[LayerComparison] = Field(description="those in both, in the order of a's network")
    only_in_a: list[str] = Field(description="ids of the asked layers that b's version does not have")
    only_in_b: list[str] = Field(description="ids of the asked layers that a's version does not have")


@dataclass(frozen=True)
class _Pairing:
    """The asked layers by id, in the order of the network."""

    both: list[str]
    only_in_a: list[str]
    only_in_b: list[str]


def compare(
    network_a: Network,
    network_b: Network,
    a: Side,
    b: Side,
    query: CompareQuery,
    limits: ImageLimits,
    max_bytes: int,
    model: str,
) -> Reply:
    """The answer for two sides. Runs each network once; for numbers and pictures only as far as the asked layers.

    Raises UnknownLayerError for a name that means no layer in either network.
    """
    pairing = _paired(query.layers, network_a, network_b)
    read_a, read_b = _read(pairing, query)
    seen_a = _seen(network_a, read_a, a, query, limits)
    stopping.check()
    seen_b = _seen(network_b, read_b, b, query, limits)
    if query.format == "npz":
        return as_npz("compare", dict(_arrays(seen_a.numbers, seen_b.numbers)), max_bytes)
    if query.format == "png":
        return _picture(read_a[0], seen_a, seen_b, query)
    return as_json(
        Compare(
            model=model,
            version=a.version,
            a=Compared(image=a.image, version=a.version),
            b=Compared(image=b.image, version=b.version),
            answers=_answers(seen_a, seen_b, query.top),
            layers=[_layer(id_, seen_a, seen_b) for id_ in pairing.both],
            only_in_a=pairing.only_in_a,
            only_in_b=pairing.only_in_b,
        )
    )


# --- which layers


def _paired(names: str, network_a: Network, network_b: Network) -> _Pairing:
    """A layer is compared where either network means it by a name and both have its id."""
    asked = {layer.id for name in names.split(",") for layer in _meant(name, network_a, network_b)}
    in_a, in_b = (dict.fromkeys(layer.id for layer in network.layers) for network in (network_a, network_b))
    return _Pairing(
        both=[id_ for id_ in in_a if id_ in asked and id_ in in_b],
        only_in_a=[id_ for id_ in in_a if id_ in asked and id_ not in in_b],
        only_in_b=[id_ for id_ in in_b if id_ in asked and id_ not in in_a],
    )


def _read(pairing: _Pairing, query: CompareQuery) -> tuple[list[str], list[str]]:
    """The layers whose values the answer needs, of a and of b."""
    match query.format:
        case "json":
            return pairing.both, pairing.both
        case "npz":
            return [*pairing.both, *pairing.only_in_a], [*pairing.both, *pairing.only_in_b]
        case "png":
            layer = _the_one_in_both(pairing, query.layers)
            return [layer], [layer]


def _meant(name: str, network_a: Network, network_b: Network) -> list[Layer]:
    """An id of one network is never taken for an alias in the other: `conv1` folded into `bn1` still answers to it."""
    found = [layer for network in (network_a, network_b) for layer in network.layers if layer.id == name]
    if found:
        return found
    unknown = None
    for network in (network_a, network_b):
        try:
            found += network.selected(name)
        except UnknownLayerError as error:
            unknown = unknown or error
    if not found and unknown is not None:
        raise unknown
    return found


def _the_one_in_both(pairing: _Pairing, asked: str) -> str:
    alone = [*pairing.only_in_a, *pairing.only_in_b]
    if len(pairing.both) + len(alone) != 1:
        count = len(pairing.both) + len(alone)
        raise InvalidParameterError("layers", asked, f"a png shows one layer and this means {count}")
    if alone:
        raise InvalidParameterError("layers", asked, "only one of the two versions has this layer: name one of both")
    return pairing.both[0]


# --- what they hold


@dataclass(frozen=True)
class _Seen:
    """One side: layers and their values by id, and the answer, where it was asked for and there is one."""

    network: Network
    layers: Mapping[str, Layer]
    values: Mapping[str, np.ndarray]
    answer: Answer | None

    def channel_axis(self, id_: str) -> int | None:
        return channel_axis(self.network, self.layers[id_], self.values[id_].ndim)

    @property
    def numbers(self) -> Mapping[str, np.ndarray]:
        """The values as they are sent: the channels before height and width."""
        return {id_: channels_first(values, self.channel_axis(id_)) for id_, values in self.values.items()}


def _seen(network: Network, ids: Sequence[str], side: Side, query: CompareQuery, limits: ImageLimits) -> _Seen:
    by_id = {layer.id: layer for layer in network.layers}
    layers = {id_: by_id[id_] for id_ in ids}
    scores = network.file.output.name if network.file.output and query.format == "json" else None
    tensors = [*(layer.output for layer in layers.values()), *([scores] if scores else [])]
    found = network.values(tensors, network.input(side.data, limits))
    values = {id_: found[layer.output] for id_, layer in layers.items()}
    said = answer(network.file, found[scores], side.activation, query.top) if scores else None
    return _Seen(network, layers, values, said)


def _arrays(
    numbers_a: Mapping[str, np.ndarray], numbers_b: Mapping[str, np.ndarray]
) -> Iterator[tuple[str, np.ndarray]]:
    """`<id>/a`, `<id>/b` and, where both have one shape, `<id>/difference` (b - a)."""
    for id_ in dict.fromkeys([*numbers_a, *numbers_b]):
        a, b = numbers_a.get(id_), numbers_b.get(id_)
        if a is not None:
            yield f"{id_}/a", a
        if b is not None:
            yield f"{id_}/b", b
        if a is not None and b is not None and a.shape == b.shape and {a.dtype.kind, b.dtype.kind} <= set("fiub"):
            yield f"{id_}/difference", _subtracted(a, b)


@np.errstate(over="ignore", invalid="ignore")
def _subtracted(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """As b - a in float: integers would wrap around, booleans cannot be subtracted."""
    dtype = np.result_type(a, b, np.float32)
    change: np.ndarray = b.astype(dtype) - a.astype(dtype)
    return change


def _picture(id_: str, seen_a: _Seen, seen_b: _Seen, query: CompareQuery) -> Reply:
    a, b = seen_a.values[id_], seen_b.values[id_]
    if a.shape != b.shape:
        shapes = " and ".join("x".join(map(str, values.shape)) for values in (a, b))
        raise InvalidParameterError("layers", id_, f"the two have the shapes {shapes}: ask for format=npz")
    maps_a, maps_b = as_maps(id_, a, seen_a.channel_axis(id_)), as_maps(id_, b, seen_b.channel_axis(id_))
    if maps_a.shape != maps_b.shape:
        raise InvalidParameterError("layers", id_, "the two have their channels on different axes: ask for format=npz")
    return as_png(comparison(maps_a, maps_b, scale=query.scale, page=query.page, channel=query.channel))


def _layer(id_: str, seen_a: _Seen, seen_b: _Seen) -> LayerComparison:
    stopping.check()
    a, b = seen_a.values[id_], seen_b.values[id_]
    axis = seen_a.channel_axis(id_)
    stated_a, stated_b = layer_statistics(a, axis), layer_statistics(b, axis)
    dead_a, dead_b = (set(stated.dead_channels or ()) for stated in (stated_a, stated_b))
    same_shape = a.shape == b.shape
    return LayerComparison(
        id=id_,
        kinds=(seen_a.layers[id_].kind, seen_b.layers[id_].kind),
        a=_values(stated_a),
        b=_values(stated_b),
        difference=difference(a, b, axis),
        dead_in_a_only=tuple(sorted(dead_a - dead_b)) if same_shape else (),
        dead_in_b_only=tuple(sorted(dead_b - dead_a)) if same_shape else (),
    )


def _values(stated: LayerStatistics) -> Values:
    return Values.model_validate({name: getattr(stated, name) for name in Values.model_fields})


# --- what they answer


def _answers(seen_a: _Seen, seen_b: _Seen, top: int) -> ComparedAnswers | None:
    a, b = seen_a.answer, seen_b.answer
    if a is None or b is None:
        return None
    names, others = (seen.network.file.metadata.class_names for seen in (seen_a, seen_b))
    return ComparedAnswers(
        a=a.top,
        b=b.top,
        same_class=a.top[0].label == b.top[0].label,
        changes=_class_changes(names, a, b)[:top] if names == others else None,
    )


def _class_changes(names: Sequence[str], a: Answer, b: Answer) -> list[ClassChange]:
    """The largest first; of equal ones that with the lower index."""
    changes = b.probabilities - a.probabilities
    return [
        ClassChange(
            label=names[index],
            index=index,
            probabilities=(finite(float(a.probabilities[index])), finite(float(b.probabilities[index]))),
            change=finite(float(changes[index])),
        )
        for index in np.argsort(-np.abs(changes), kind="stable").tolist()
    ]
