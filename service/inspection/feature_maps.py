"""What each layer saw of one image: as statistics, numbers, or one picture. Knows no HTTP."""

from collections.abc import Mapping, Sequence
from typing import Literal
from urllib.parse import urlencode

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from service.arrays import FeatureMaps
from service.errors import AnswerTooLargeError, InvalidParameterError
from service.images.decoding import ImageLimits
from service.images.pictures import grid
from service.inspection.forms import Reply, as_json, as_npz, as_png
from service.inspection.graph import Layer
from service.inspection.network import Network
from service.inspection.statistics import (
    ChannelStatistics,
    LayerStatistics,
    channel_statistics,
    layer_statistics,
)

MAX_JSON_NUMBERS = 200_000  # about 2 MB of text; npz holds the same in 0.8 MB, unrounded

Maps = Mapping[str, np.ndarray]


class FeatureMapsQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    layers: str = Field(
        default="*", max_length=4096, description="ids, aliases, kinds or patterns, with commas between"
    )
    format: Literal["json", "npz", "png"] = Field(default="json", description="statistics, numbers, or one picture")
    values: bool = Field(default=False, description="json: the numbers too, as far as they are few")
    channels: bool = Field(default=False, description="json: the statistics of each channel too")
    scale: Literal["layer", "channel"] = Field(
        default="layer", description="png: one range for all channels, or each its own"
    )
    page: int = Field(default=1, ge=1, description="png: which page of the channels")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


class MapLinks(_Frozen):
    """The same layer in other forms: POST the same image there."""

    png: str
    npz: str


class LayerMaps(_Frozen):
    """What one layer saw."""

    id: str
    kind: str
    statistics: LayerStatistics
    channels: list[ChannelStatistics] | None = None
    values: list[object] | None = Field(
        default=None, description="nested like the shape; null stands for NaN or infinity"
    )
    links: MapLinks


class SeenImage(_Frozen):
    """What all layers saw of one image."""

    model: str
    version: int
    layers: list[LayerMaps] = Field(description="in the order of the network")


def feature_maps(
    network: Network,
    data: bytes,
    query: FeatureMapsQuery,
    limits: ImageLimits,
    max_bytes: int,
    model: str,
    version: int,
    url: str,
) -> Reply:
    """The answer for one image file. `url` is that of the model's version, for links.

    Runs the network only as far as the deepest layer asked for.
    """
    chosen = network.selected(query.layers)
    if query.format == "png" and len(chosen) != 1:
        raise InvalidParameterError("layers", query.layers, f"a png shows one layer and this means {len(chosen)}")
    found = network.values([layer.output for layer in chosen], network.input(data, limits))
    maps = {layer.id: found[layer.output] for layer in chosen}
    if query.format == "npz":
        return as_npz("feature-maps", maps, max_bytes)
    if query.format == "png":
        ((layer_id, values),) = maps.items()
        return as_png(grid(as_maps(layer_id, values), scale=query.scale, page=query.page))
    if query.values:
        _refuse_too_many_numbers(chosen, maps, url)
    seen = [_layer_maps(layer, maps[layer.id], query, url) for layer in chosen]
    return as_json(SeenImage(model=model, version=version, layers=seen), only_set=True)


def as_maps(layer_id: str, values: np.ndarray) -> FeatureMaps:
    """[1, channels, height, width], or [1, units] as one pixel each."""
    if values.ndim not in (2, 4) or values.shape[0] != 1 or values.dtype.kind not in "fiub":
        shape = "x".join(map(str, values.shape))
        raise InvalidParameterError("layers", layer_id, f"its shape {shape} is no set of maps; ask for format=npz")
    maps: FeatureMaps = values[0].astype(np.float32, copy=False)
    return maps if values.ndim == 4 else maps[:, None, None]


def _layer_maps(layer: Layer, values: np.ndarray, query: FeatureMapsQuery, url: str) -> LayerMaps:
    asked: dict[str, object] = {}
    if query.channels:
        asked["channels"] = list(channel_statistics(values))
    if query.values:
        asked["values"] = _finite(values)
    links = MapLinks(png=_link(url, [layer], "png"), npz=_link(url, [layer], "npz"))
    return LayerMaps(id=layer.id, kind=layer.kind, statistics=layer_statistics(values), links=links, **asked)


def _link(url: str, chosen: Sequence[Layer], answer_format: str) -> str:
    query = urlencode({"layers": ",".join(layer.id for layer in chosen), "format": answer_format}, safe=",")
    return f"{url}/feature-maps?{query}"


def _finite(values: np.ndarray) -> list[object]:
    if np.isfinite(values).all():
        numbers: list[object] = values.tolist()
        return numbers
    objects = values.astype(object)
    objects[~np.isfinite(values)] = None
    return list(objects.tolist())


def _refuse_too_many_numbers(chosen: Sequence[Layer], maps: Maps, url: str) -> None:
    count = sum(values.size for values in maps.values())
    if count > MAX_JSON_NUMBERS:
        raise AnswerTooLargeError(
            f"{count:,} numbers are too many for JSON, which may hold {MAX_JSON_NUMBERS:,}",
            f"POST the image to {_link(url, chosen, 'npz')}, or name fewer layers",
        )
