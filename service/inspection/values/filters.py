"""The filters of a layer: numbers, statistics or a picture, also beside another version's. Knows no HTTP, no image."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal
from urllib.parse import urlencode

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from service.errors import AnswerTooLargeError, InvalidParameterError
from service.images.filter_pictures import Panel, filter_picture
from service.inspection.forms import Reply, as_json, as_npy, as_npz
from service.inspection.graph.folds import fold
from service.inspection.graph.layers import Layer
from service.inspection.network import Network
from service.inspection.values.filter_cells import filters_first, layout
from service.inspection.values.filter_statistics import (
    FilterStatistics,
    WeightChange,
    WeightStatistics,
    weight_change,
    weight_statistics,
)
from service.inspection.values.geometry import geometry
from service.inspection.values.units.derived import nested
from service.inspection.values.weights import weights_by_role

MAX_JSON_NUMBERS = 200_000  # as in feature maps: about 2 MB of text
KINDS = ("conv", "transposed_conv", "dense")


class FiltersQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: Literal["json", "npy", "npz", "png"] = Field(
        default="json", description="statistics; the weights alone; weights and bias; one picture"
    )
    values: bool = Field(default=False, description="json: the numbers too, as far as they are few")
    with_version: int | None = Field(
        default=None, ge=0, description="another version of this model: side by side, its changes as numbers"
    )
    input_channel: int | None = Field(default=None, ge=0, description="png: this input of every filter")
    filter: int | None = Field(default=None, ge=0, description="png: all inputs of this filter")
    scale: Literal["layer", "filter"] = Field(
        default="layer", description="png: one range for all weights, or each filter its own"
    )
    page: int = Field(default=1, ge=1, description="png: which page of the filters")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, ser_json_inf_nan="null", protected_namespaces=())


class FilterLinks(_Frozen):
    png: str
    npy: str
    npz: str


class VersionFilters(_Frozen):
    """The weights of one version."""

    version: int
    note: str | None = Field(description="where the file's weights are not those that were trained: why")
    statistics: WeightStatistics
    bias: WeightStatistics | None
    filters: list[FilterStatistics]
    weight: list[Any] | None = Field(default=None, description="nested like `shape`; null: not finite")
    bias_values: list[Any] | None = None


class _FilteredLayer(_Frozen):
    model: str
    layer: str
    kind: str
    shape: list[int]
    axes: list[str] = Field(description="what each axis of `shape` is")
    groups: int


class Filters(VersionFilters, _FilteredLayer):
    """The filters of one layer, and of another version where one is asked for."""

    with_version: VersionFilters | None = None
    change: WeightChange | None = Field(default=None, description="from with_version to this version")
    links: FilterLinks


def filters(
    network: Network,
    name: str,
    query: FiltersQuery,
    max_bytes: int,
    model: str,
    version: int,
    url: str,
    other: Network | None = None,
) -> Reply:
    """`other`: the network of `query.with_version`, with a layer of the same name and shape. `url`: of the version."""
    held = _held(network, name, version)
    before = None if other is None else _held(other, name, query.with_version or 0)
    if before is not None and before.weight.shape != held.weight.shape:
        shape = "x".join(map(str, before.weight.shape))
        raise InvalidParameterError("with_version", query.with_version, f"its {name} has another shape, {shape}")
    match query.format:
        case "npy":
            return as_npy(f"{held.layer.id}.weight", held.weight, max_bytes)
        case "npz":
            return as_npz(f"{held.layer.id}.filters", _named_arrays(held, before), max_bytes)
        case "png":
            return _picture(held, before, query)
        case _:
            return as_json(_described(held, before, query, model, url), only_set=True)


@dataclass(frozen=True)
class _Held:
    """The filters of one version; `weight` [filters, ...], in float32 or float64."""

    network: Network
    layer: Layer
    version: int
    weight: np.ndarray
    bias: np.ndarray | None

    @property
    def count(self) -> int:
        return self.weight.size + (0 if self.bias is None else self.bias.size)


def _held(network: Network, name: str, version: int) -> _Held:
    layer = network.layer(name)
    if layer.kind not in KINDS or layer.stage == "preprocessing" or not layer.weights:
        have = ", ".join(each.id for each in network.layers if each.kind in KINDS and each.weights)
        raise InvalidParameterError("layer", layer.id, f"a {layer.kind} has no filters; these have: {have or 'none'}")
    found = weights_by_role(network.file.model, layer)
    bias = found.get("bias")
    weight = _as_float(filters_first(layer, found["weight"]))
    return _Held(network, layer, version, weight, None if bias is None else _as_float(bias))


def _as_float(values: np.ndarray) -> np.ndarray:
    """float16 and bfloat16 as all of NumPy and JSON know them."""
    return values if values.dtype in (np.float32, np.float64) else values.astype(np.float32)


def _named_arrays(held: _Held, before: _Held | None) -> dict[str, np.ndarray]:
    named = {"weight": held.weight, "bias": held.bias}
    if before is not None:
        named |= {f"version_{before.version}.weight": before.weight, f"version_{before.version}.bias": before.bias}
    return {name: values for name, values in named.items() if values is not None}


def _described(held: _Held, before: _Held | None, query: FiltersQuery, model: str, url: str) -> Filters:
    links = _links(url, held.layer, query.with_version)
    if query.values:
        _refuse_too_many(held.count + (0 if before is None else before.count), links)
    beside: dict[str, Any] = {}
    if before is not None:
        beside["with_version"] = VersionFilters(**_of_version(before, values=query.values))
        beside["change"] = weight_change(before.weight, held.weight)
    return Filters(
        **_of_version(held, values=query.values),
        model=model,
        layer=held.layer.id,
        kind=held.layer.kind,
        shape=list(held.weight.shape),
        axes=_axes(held.layer, held.weight),
        groups=held.layer.groups,
        links=links,
        **beside,
    )


def _of_version(held: _Held, *, values: bool) -> dict[str, Any]:
    together, each = weight_statistics(held.weight)
    numbers: dict[str, Any] = {"weight": nested(held.weight)} if values else {}
    if values and held.bias is not None:
        numbers["bias_values"] = nested(held.bias)
    return {
        "version": held.version,
        "note": fold(held.network.file.model, held.network.file.metadata.layers, held.layer),
        "statistics": together,
        "bias": None if held.bias is None else weight_statistics(held.bias[:, None])[0],
        "filters": each,
        **numbers,
    }


def _axes(layer: Layer, weight: np.ndarray) -> list[str]:
    if layer.kind == "dense":
        return ["output", "input"]
    inputs = "input channel" if layer.groups == 1 else "input channel of the filter's group"
    return ["output channel", inputs, *["kernel row", "kernel column"][-(weight.ndim - 2) :]]


def _picture(held: _Held, before: _Held | None, query: FiltersQuery) -> Reply:
    """The other version left, this one right."""
    if query.input_channel is not None and query.filter is not None:
        raise InvalidParameterError("filter", query.filter, "ask for one filter or one input channel, not both")
    network = held.network
    types, stated = geometry(network).types, network.file.metadata.preprocessing
    shown = [each for each in (before, held) if each is not None]
    layouts = [
        layout(network.layers, held.layer, each.weight, types, stated, query.input_channel, query.filter)
        for each in shown
    ]
    panels = [Panel(f"version {each.version}", laid.cells) for each, laid in zip(shown, layouts, strict=True)]
    picture = filter_picture(panels, item=layouts[0].item, column=layouts[0].column, scale=query.scale, page=query.page)
    return Reply(picture.png, "image/png", legend=json.dumps(asdict(picture.legend)))


def _links(url: str, layer: Layer, with_version: int | None) -> FilterLinks:
    def link(form: str) -> str:
        query = {"format": form} | ({} if with_version is None else {"with_version": str(with_version)})
        return f"{url}/layers/{layer.id}/filters?{urlencode(query)}"

    return FilterLinks(png=link("png"), npy=link("npy"), npz=link("npz"))


def _refuse_too_many(count: int, links: FilterLinks) -> None:
    if count > MAX_JSON_NUMBERS:
        raise AnswerTooLargeError(
            f"{count:,} numbers are too many for JSON, which may hold {MAX_JSON_NUMBERS:,}",
            f"GET {links.npz} instead, or leave out values",
        )
