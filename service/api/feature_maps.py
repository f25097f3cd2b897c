"""POST feature-maps: what each layer saw of one image, as statistics, numbers or pictures."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Literal
from urllib.parse import urlencode

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from service.api.classify import image_limits
from service.api.dependencies import AllServices, NamedClassifier, Services
from service.api.openapi import IMAGE_BODY, problems
from service.api.schemas import Answer
from service.api.uploads import uploads
from service.arrays import FeatureMaps
from service.engine.classifier import Classifier
from service.errors import AnswerTooLargeError, InvalidParameterError
from service.images.network_input import network_input
from service.images.pictures import Grid, grid
from service.inspection.graph import Layer, layers
from service.inspection.selection import selected
from service.inspection.statistics import (
    ChannelStatistics,
    LayerStatistics,
    channel_statistics,
    layer_statistics,
)

router = APIRouter(tags=["inspect"])

MAX_JSON_NUMBERS = 200_000  # about 2 MB of text; npz holds the same in 0.8 MB, unrounded


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


class MapLinks(Answer):
    """The same layer in other forms: POST the same image there."""

    png: str
    npz: str


class LayerMaps(Answer):
    """What one layer saw."""

    id: str
    kind: str
    statistics: LayerStatistics
    channels: list[ChannelStatistics] | None = None
    values: list[object] | None = Field(
        default=None, description="nested like the shape; null stands for NaN or infinity"
    )
    links: MapLinks


class SeenImage(Answer):
    """What all layers saw of one image."""

    model: str
    version: int
    layers: list[LayerMaps] = Field(description="in the order of the network")


Maps = Mapping[str, np.ndarray]


@router.post(
    "/feature-maps",
    summary="What each layer saw of one image",
    response_model=SeenImage,
    response_model_exclude_unset=True,
    responses={
        200: {
            "content": {
                "application/zip": {"schema": {"type": "string", "format": "binary"}},
                "image/png": {"schema": {"type": "string", "format": "binary"}},
            }
        },
        **problems(404, 413, 415, 422, 503, 504),
    },
    openapi_extra=IMAGE_BODY,
)
async def maps_of_layers(
    request: Request, services: AllServices, classifier: NamedClassifier, query: Annotated[FeatureMapsQuery, Query()]
) -> SeenImage | Response:
    """Runs the network only as far as the deepest layer asked for, beside the classifier and never through it."""
    file = classifier.file
    chosen = selected(layers(file.model, file.metadata.layers), query.layers.split(","))
    if query.format == "png" and len(chosen) != 1:
        raise InvalidParameterError("layers", query.layers, f"a png shows one layer and this means {len(chosen)}")
    (upload,) = await uploads(request, 1)
    maps = await services.run(services.inspectors, lambda: _maps(upload.data, chosen, services, classifier))
    prefix = f"{request.scope.get('root_path', '')}/v1/models/{classifier.name}/versions/{classifier.version}"
    return await services.run(services.inspectors, lambda: _answer(chosen, maps, query, classifier, prefix, services))


def _maps(data: bytes, chosen: Sequence[Layer], services: Services, classifier: Classifier) -> Maps:
    """The output of each layer by its id, batch first."""
    file = classifier.file
    image = network_input(data, image_limits(services), file.metadata.preprocessing)
    feed = classifier.feed(image[None])
    tensors = [layer.output for layer in chosen]
    found = services.prefix_sessions.run(file.sha256, file.model, tensors, feed)
    copies = file.input.batch or 1
    return {layer.id: _first(found[layer.output], copies) for layer in chosen}


def _first(values: np.ndarray, copies: int) -> np.ndarray:
    """The first image's part where a fixed batch was filled up with copies of it."""
    return values[:1] if copies > 1 and values.ndim and values.shape[0] == copies else values


def _answer(
    chosen: Sequence[Layer],
    maps: Maps,
    query: FeatureMapsQuery,
    classifier: Classifier,
    prefix: str,
    services: Services,
) -> SeenImage | Response:
    if query.format == "npz":
        return _npz(maps, services.settings.max_answer_bytes)
    if query.format == "png":
        (layer,) = chosen
        return _png(grid(_as_maps(layer.id, maps[layer.id]), scale=query.scale, page=query.page))
    if query.values:
        _refuse_too_many_numbers(chosen, maps, prefix)
    seen = [_layer_maps(layer, maps[layer.id], query, prefix) for layer in chosen]
    return SeenImage(model=classifier.name, version=classifier.version, layers=seen)


def _layer_maps(layer: Layer, values: np.ndarray, query: FeatureMapsQuery, prefix: str) -> LayerMaps:
    asked: dict[str, object] = {}
    if query.channels:
        asked["channels"] = list(channel_statistics(values))
    if query.values:
        asked["values"] = _finite(values)
    links = MapLinks(png=_link(prefix, [layer], "png"), npz=_link(prefix, [layer], "npz"))
    return LayerMaps(id=layer.id, kind=layer.kind, statistics=layer_statistics(values), links=links, **asked)


def _link(prefix: str, chosen: Sequence[Layer], answer_format: str) -> str:
    query = urlencode({"layers": ",".join(layer.id for layer in chosen), "format": answer_format}, safe=",")
    return f"{prefix}/feature-maps?{query}"


def _finite(values: np.ndarray) -> list[object]:
    if np.isfinite(values).all():
        numbers: list[object] = values.tolist()
        return numbers
    objects = values.astype(object)
    objects[~np.isfinite(values)] = None
    return list(objects.tolist())


def _refuse_too_many_numbers(chosen: Sequence[Layer], maps: Maps, prefix: str) -> None:
    count = sum(values.size for values in maps.values())
    if count > MAX_JSON_NUMBERS:
        raise AnswerTooLargeError(
            f"{count:,} numbers are too many for JSON, which may hold {MAX_JSON_NUMBERS:,}",
            f"POST the image to {_link(prefix, chosen, 'npz')}, or name fewer layers",
        )


def _npz(maps: Maps, limit: int) -> Response:
    size = sum(values.nbytes for values in maps.values())
    if size > limit:
        raise AnswerTooLargeError(f"{size:,} bytes of numbers; at most {limit:,} are sent", "name fewer layers")
    archive = io.BytesIO()
    np.savez(archive, **maps)  # type: ignore[arg-type]  # numpy's stub takes the names for its own options
    headers = {"Content-Disposition": 'attachment; filename="feature-maps.npz"'}
    return Response(archive.getvalue(), media_type="application/zip", headers=headers)


def _as_maps(layer_id: str, values: np.ndarray) -> FeatureMaps:
    """[1, channels, height, width], or [1, units] as one pixel each."""
    if values.ndim not in (2, 4) or values.shape[0] != 1 or values.dtype.kind not in "fiub":
        shape = "x".join(map(str, values.shape))
        raise InvalidParameterError("layers", layer_id, f"its shape {shape} is no set of maps; ask for format=npz")
    maps: FeatureMaps = values[0].astype(np.float32, copy=False)
    return maps if values.ndim == 4 else maps[:, None, None]


def _png(picture: Grid) -> Response:
    """The legend is in a header too, so that a page can draw it without reading the PNG's chunks."""
    return Response(picture.png, media_type="image/png", headers={"X-Legend": json.dumps(asdict(picture.legend))})
