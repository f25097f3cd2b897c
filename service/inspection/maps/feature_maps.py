"""What each layer saw of some images: as statistics, numbers, or one picture. Knows no HTTP."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from service.errors import FoveaError, InvalidParameterError
from service.images.colours import Range, Scale, shared_range
from service.images.decoding import ImageLimits
from service.images.overlay import Overlay
from service.inspection.forms import Reply, as_json, as_npy, as_npz, as_png
from service.inspection.maps.activations import Tap, scale_mates, taps
from service.inspection.maps.channels import Picked, picked, require_channels
from service.inspection.maps.map_answers import (
    ImageProblem,
    LayerMaps,
    LayerTogether,
    MapLinks,
    SeenImage,
    SeenImages,
)
from service.inspection.maps.map_limits import Address, Limits, of_tap, question_url
from service.inspection.maps.map_pictures import layer_picture, picture_over_image, several_pictures
from service.inspection.maps.map_query import FeatureMapsQuery
from service.inspection.maps.map_reading import Read, Reader, SentImage, read_all
from service.inspection.maps.statistics import LayerStatistics, channel_statistics, layer_statistics, together
from service.inspection.network import Network


@dataclass(frozen=True)
class _Question:
    """One request, ready to be answered in any form."""

    reader: Reader
    images: Sequence[SentImage]
    query: FeatureMapsQuery
    address: Address
    limits: Limits
    wanted: Picked | None

    @property
    def title(self) -> str:
        return f"{self.address.model} {self.address.version}"


def feature_maps(
    network: Network,
    images: Sequence[SentImage],
    query: FeatureMapsQuery,
    image_limits: ImageLimits,
    max_bytes: int,
    address: Address,
) -> Reply:
    """The answer for some image files.

    Runs the network once for each image and only as far as the deepest layer asked for. JSON has a result or an error
    for each image; in the other forms the first bad one is the answer. Raises AnswerTooLargeError with a URL that works
    where the form asked for would be too large.
    """
    _require_sense(query)
    found = taps(network.selected(query.layers), network.layers, query.activation)
    question = _Question(
        reader=Reader(network, found, image_limits),
        images=images,
        query=query,
        address=address,
        limits=Limits(address, query, len(images), max_bytes),
        wanted=None if query.channel is None else picked(query.channel),
    )
    watch = question.reader.watch
    with watch.phase("total"):
        reply = _FORMS[query.format](question)
    took = watch.milliseconds
    packing = took.pop("total") - sum(took.values())
    return replace(reply, took=took | {"packing": packing})


def _require_sense(query: FeatureMapsQuery) -> None:
    if query.overlay and query.format != "png":
        raise InvalidParameterError("overlay", query.overlay, "it is a picture: ask for format=png")
    if (query.low is None) != (query.high is None):
        name, value = ("low", query.low) if query.high is None else ("high", query.high)
        raise InvalidParameterError(name, value, "a range has two ends: give low and high")


# --- one answer for each format


def _json(question: _Question) -> Reply:
    results = []
    statistics: list[Sequence[LayerStatistics]] = []
    for index, item in question.reader.inputs(question.images):
        name = question.images[index][0]
        if isinstance(item, FoveaError):
            error = ImageProblem(code=item.code, detail=item.detail, remedy=item.remedy)
            results.append(SeenImage(image=name, error=error))
            continue
        read = question.reader.read(item)
        if not statistics:
            _require_text(question, read)
        layers = [_layer_maps(one, question) for one in read]
        statistics.append([layer.statistics for layer in layers])
        results.append(SeenImage(image=name, layers=layers))
    answer: dict[str, object] = {"together": _together(question, statistics)} if len(question.images) > 1 else {}
    about = question.address
    return as_json(SeenImages(model=about.model, version=about.version, results=results, **answer), only_set=True)


def _npz(question: _Question) -> Reply:
    found = read_all(question.reader, question.images, lambda read: _require_bytes(question, read))
    several = len(found) > 1
    arrays = {
        f"{index}.{one.tap.name}" if several else one.tap.name: one.numbers(question.wanted)
        for index, read in enumerate(found)
        for one in read
    }
    return as_npz("feature-maps", arrays, question.limits.max_bytes)


def _npy(question: _Question) -> Reply:
    tap = _only_tap(question, "an npy")
    found = read_all(question.reader, question.images, lambda read: _require_bytes(question, read))
    arrays = [one.numbers(question.wanted) for (one,) in found]
    if len({array.shape for array in arrays}) > 1:
        raise InvalidParameterError("format", "npy", "its shape differs between the images: ask for format=npz")
    together = np.concatenate(arrays) if arrays[0].shape[:1] == (1,) else np.stack(arrays)
    return as_npy(tap.name, together, question.limits.max_bytes)


def _png(question: _Question) -> Reply:
    query, shown = question.query, question.reader.taps
    if query.overlay:
        _require_one(question, "an overlay")
    mates = [mate for tap in shown for mate in scale_mates(tap, question.reader.network.layers)]
    reader = replace(question.reader, taps=[*shown, *(mates if query.scale == "shared" else [])])
    found = read_all(reader, question.images, lambda read: _require_pictures(question, read))
    scale = _scale(query, found)
    found = [read[: len(shown)] for read in found]
    if query.overlay:
        return as_png(_overlay(question, found[0][0], scale))
    if len(shown) == len(found) == 1:
        title = f"{question.title}: {shown[0].name}"
        return as_png(layer_picture(found[0][0], scale, question.wanted, query.sort, query.page, title))
    return as_png(several_pictures(found, scale, question.wanted, query.sort, query.page, question.title))


_FORMS: Mapping[str, Callable[[_Question], Reply]] = {"json": _json, "npz": _npz, "npy": _npy, "png": _png}


# --- what they are made of


def _layer_maps(read: Read, question: _Question) -> LayerMaps:
    query, tap = question.query, read.tap
    statistics = layer_statistics(read.values, read.axis)
    asked: dict[str, object] = {}
    if query.channels:
        of_each = channel_statistics(read.values, read.axis, statistics.histogram)
        asked["channels"] = [of_each[channel] for channel in _numbered(question, len(of_each), tap)]
    if query.values:
        asked["values"] = _finite(read.numbers(question.wanted))
    links = MapLinks(png=_link(question, tap, "png"), npz=_link(question, tap, "npz"))
    return LayerMaps(**_names(tap), statistics=statistics, links=links, **asked)


def _numbered(question: _Question, count: int, tap: Tap) -> Sequence[int]:
    """The channels that are asked for by number, else all."""
    if question.wanted is None or isinstance(question.wanted, str):
        return range(count)
    require_channels(question.wanted, count, tap.layer.id)
    return question.wanted


def _together(question: _Question, images: Sequence[Sequence[LayerStatistics]]) -> list[LayerTogether]:
    of_taps = zip(question.reader.taps, zip(*images, strict=True), strict=True) if images else ()
    return [LayerTogether(**_names(tap), statistics=together(of_tap)) for tap, of_tap in of_taps]


def _names(tap: Tap) -> dict[str, Any]:
    return {
        "id": tap.layer.id,
        "kind": tap.layer.kind,
        "activation": tap.activation,
        "name": tap.name,
        "tensor": tap.tensor,
    }


def _link(question: _Question, tap: Tap, answer_format: str) -> str:
    return question_url(question.address, FeatureMapsQuery(), **of_tap(tap), format=answer_format)


def _finite(values: np.ndarray) -> list[object]:
    if np.isfinite(values).all():
        numbers: list[object] = values.tolist()
        return numbers
    objects = values.astype(object)
    objects[~np.isfinite(values)] = None
    return list(objects.tolist())


def _overlay(question: _Question, read: Read, scale: Scale) -> Overlay:
    network, query = question.reader.network, question.query
    pixels = network.received(question.images[0][1], question.reader.limits)
    title = f"{question.title}: {read.tap.name}"
    return picture_over_image(network, read, pixels, scale, question.wanted, smooth=query.smooth, title=title)


def _scale(query: FeatureMapsQuery, found: Sequence[Sequence[Read]]) -> Scale:
    if query.low is not None and query.high is not None:
        return Range(query.low, query.high)
    if query.scale == "shared":
        return shared_range([one.maps for read in found for one in read])
    return query.scale


def _require_text(question: _Question, read: Sequence[Read]) -> None:
    query = question.query
    question.limits.require_text(read, question.wanted, values=query.values, channels=query.channels)


def _require_bytes(question: _Question, read: Sequence[Read]) -> None:
    question.limits.require_bytes(read, question.wanted)


def _require_pictures(question: _Question, read: Sequence[Read]) -> None:
    """A picture of one layer for one image is never too large: it has pages."""
    if len(question.images) > 1:
        question.limits.require_images(read)
    elif len(question.reader.taps) > 1:
        question.limits.require_bytes(read)


def _require_one(question: _Question, what: str) -> Tap:
    """The only place, where the form shows no more than one layer of one image."""
    tap = _only_tap(question, what)
    if len(question.images) != 1:
        raise InvalidParameterError("overlay", "true", f"{what} shows one image, and these are {len(question.images)}")
    return tap


def _only_tap(question: _Question, what: str) -> Tap:
    found = question.reader.taps
    if len(found) != 1:
        first = question_url(question.address, question.query, **of_tap(found[0]))
        names = ", ".join([tap.name for tap in found[:4]] + ["..."] * (len(found) > 4))
        remedy = f"{what} shows one layer and this means {len(found)} ({names}): POST to {first}"
        raise InvalidParameterError("layers", question.query.layers, remedy)
    return found[0]
