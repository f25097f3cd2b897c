"""The filters of a layer: numbers, statistics or a picture, also beside another version's. Knows no HTTP, no image."""

import json
from dataclasses import asdict
from typing import Any, Literal
from urllib.parse import urlencode

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from service.errors import AnswerTooLargeError, InvalidParameterError
from service.images.filter_pictures import Panel, filter_picture
from service.inspection.filter_cells import filters_first, layout
from service.inspection.filter_statistics import (
    FilterStatistics,
    WeightChange,
    WeightStatistics,
    weight_change,
    weight_statistics,
)
from service.inspection.folds import fold
from service.inspection.forms import Reply, as_json, as_npy, as_npz
from service.inspection.geometry import geometry
from service.inspection.graph import Layer
from service.inspection.network import Network
from service.inspection.units.derived import nested
from service.inspection.weights import weights_by_role

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
    layer = _filtered(network, name)
    found = _weights(network, layer)
    before_layer = None if other is None else _filtered(other, name)
    before = None if other is None or before_layer is None else _weights(other, before_layer)
    if before is not None and before["weight"].shape != found["weight"].shape:
        shape = "x".join(map(str, before["weight"].shape))
        raise InvalidParameterError("with_version", query.with_version, f"its {name} has another shape, {shape}")
    if query.format == "npy":
        return as_npy(f"{layer.id}.weight", found["weight"], max_bytes)
    if query.format == "npz":
        theirs_too = {f"version_{query.with_version}.{role}": values for role, values in (before or {}).items()}
        return as_npz(f"{layer.id}.filters", found | theirs_too, max_bytes)
    if query.format == "png":
        return _picture(network, layer, found["weight"], None if before is None else before["weight"], query, version)
    links = _links(url, layer, query.with_version)
    if query.values:
        _refuse_too_many(sum(values.size for values in (*found.values(), *(before or {}).values())), links)
    beside: dict[str, Any] = {}
    if other is not None and before_layer is not None and before is not None:
        theirs = _version(other, before_layer, before, query.with_version or 0, values=query.values)
        beside["with_version"] = VersionFilters(**theirs)
        beside["change"] = weight_change(before["weight"], found["weight"])
    answer = Filters(
        **_version(network, layer, found, version, values=query.values),
        model=model,
        layer=layer.id,
        kind=layer.kind,
        shape=list(found["weight"].shape),
        axes=_axes(layer, found["weight"]),
        groups=layer.groups,
        links=links,
        **beside,
    )
    return as_json(answer, only_set=True)


def _filtered(network: Network, name: str) -> Layer:
    layer = network.layer(name)
    if layer.kind not in KINDS or layer.stage == "preprocessing" or not layer.weights:
        have = ", ".join(each.id for each in network.layers if each.kind in KINDS and each.weights)
        raise InvalidParameterError("layer", layer.id, f"a {layer.kind} has no filters; these have: {have or 'none'}")
    return layer


def _weights(network: Network, layer: Layer) -> dict[str, np.ndarray]:
    """float16 and quantised types as NumPy and JSON have them: float32."""
    found = weights_by_role(network.file.model, layer)
    found["weight"] = filters_first(layer, found["weight"])
    return {
        role: values if values.dtype in (np.float32, np.float64) else values.astype(np.float32)
        for role, values in found.items()
    }


def _version(
    network: Network, layer: Layer, found: dict[str, np.ndarray], version: int, *, values: bool
) -> dict[str, Any]:
    together, each = weight_statistics(found["weight"])
    bias = found.get("bias")
    numbers: dict[str, Any] = {"weight": nested(found["weight"])} if values else {}
    if values and bias is not None:
        numbers["bias_values"] = nested(bias)
    return {
        "version": version,
        "note": fold(network.file.model, network.file.metadata.layers, layer),
        "statistics": together,
        "bias": None if bias is None else weight_statistics(bias[:, None])[0],
        "filters": each,
        **numbers,
    }


def _axes(layer: Layer, weight: np.ndarray) -> list[str]:
    if layer.kind == "dense":
        return ["output", "input"]
    inputs = "input channel" if layer.groups == 1 else "input channel of the filter's group"
    return ["output channel", inputs, *["kernel row", "kernel column"][-(weight.ndim - 2) :]]


def _picture(
    network: Network, layer: Layer, weight: np.ndarray, before: np.ndarray | None, query: FiltersQuery, version: int
) -> Reply:
    if query.input_channel is not None and query.filter is not None:
        raise InvalidParameterError("filter", query.filter, "ask for one filter or one input channel, not both")
    types, stated = geometry(network).types, network.file.metadata.preprocessing
    versions = [(version, weight)] if before is None else [(query.with_version, before), (version, weight)]
    layouts = [
        layout(network.layers, layer, values, types, stated, query.input_channel, query.filter)
        for _, values in versions
    ]
    panels = [Panel(f"version {number}", laid.cells) for (number, _), laid in zip(versions, layouts, strict=True)]
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
