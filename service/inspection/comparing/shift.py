"""The same picture moved by some pixels: how much the input, each layer's map and the answer change. Knows no HTTP.

Translation invariance in numbers: what changes less than the input is the more invariant, what moves along exactly is
equivariant.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from service.arrays import Pixels
from service.engine.network_interface import Activation
from service.errors import InvalidParameterError
from service.images.decoding import ImageLimits
from service.images.png import rgb_png
from service.images.preprocessing import normalized
from service.images.shifting import Fill, shifted
from service.inspection import stopping
from service.inspection.answers import Answer, ClassAnswer, answer, finite
from service.inspection.comparing.differences import cosine_similarity, relative_change
from service.inspection.comparing.equivariance import Equivariance, equivariance
from service.inspection.forms import Reply, as_json
from service.inspection.graph.layers import Layer
from service.inspection.network import Network
from service.inspection.shapes.layer_table import Number
from service.inspection.shapes.sight import View

MAX_SHIFTS = 32  # each is a run of the network
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,5}")


class ShiftQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    dx: str = Field(
        default="1",
        max_length=256,
        description="pixels of the network's picture to the right (negative: to the left); several with commas between",
        examples=["1,2,4,8"],
    )
    dy: str = Field(default="0", max_length=256, description="pixels downwards; one for each dx, or one for all")
    layers: str = Field(
        default="*", max_length=4096, description="ids, aliases, kinds or patterns, with commas between"
    )
    fill: Fill = Field(default="edge", description="what comes in: the nearest pixel of the edge, or 0 (black)")
    format: Literal["json", "png"] = Field(default="json", description="measures, or the moved picture of one shift")
    top: int = Field(default=5, ge=1, le=10_000, description="classes in each answer")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


class Change(_Frozen):
    """One tensor of the moved picture against that of the original, place by place."""

    relative: float | None = Field(description="norm(moved - original) / norm(original); null where original is all 0")
    cosine: float | None = Field(description="cosine similarity; null where one of them is all zeros")


class LayerChange(Change):
    dx: int
    dy: int
    equivariance: Equivariance | None = Field(
        description="whether the map moves along; null without a grid over the picture, where its jump does not divide "
        "the shift, and where the map is moved out of itself"
    )


class LayerShift(_Frozen):
    """The curve of one layer."""

    id: str
    kind: str
    shape: tuple[int, ...] = Field(description="batch first")
    jump: tuple[Number, Number] | None = Field(
        description="pixels from cell to cell, [down, across]; null without a grid"
    )
    changes: list[LayerChange] = Field(description="one per shift, in their order")


class MovedAnswer(_Frozen):
    """What the network answers to the moved picture."""

    predictions: list[ClassAnswer]
    same_class: bool = Field(description="whether the most probable class is that of the original")
    original_class_probability: float | None = Field(description="of the class that the original was taken for")
    largest_change: float | None = Field(description="of one class's probability, up or down")


class MovedPicture(_Frozen):
    """One shift: what it does to the input and to the answer."""

    dx: int
    dy: int
    input: Change = Field(description="of the tensor that the network is given")
    answer: MovedAnswer | None = Field(description="null where the network is no classifier")


class Shift(_Frozen):
    """The original against itself moved."""

    model: str
    version: int
    height: int = Field(description="of the picture that the network received, in pixels")
    width: int
    fill: Fill
    original: list[ClassAnswer] | None = Field(description="the answer to the picture where it is")
    shifts: list[MovedPicture]
    layers: list[LayerShift] = Field(description="in the order of the network")


class _Step(NamedTuple):
    dx: int
    dy: int


@dataclass(frozen=True)
class _Seen:
    """One picture: the network's input, every asked tensor, and the answer where there is one."""

    input: np.ndarray
    tensors: Mapping[str, np.ndarray]
    answer: Answer | None


def shift(
    network: Network,
    data: bytes,
    query: ShiftQuery,
    limits: ImageLimits,
    activation: Activation | None,
    model: str,
    version: int,
) -> Reply:
    """The answer for one image file, which is moved after it was brought to the network's size.

    `activation` is what the network's scores already went through, as its classifier knows. Costs a run of the network
    for the original and one for each shift; memory for two of them.
    """
    pixels = network.received(data, limits)
    steps = _steps(query, width=pixels.shape[1], height=pixels.shape[0])
    if query.format == "png":
        return _picture(pixels, steps, query)
    chosen = network.selected(query.layers)
    original = _seen(network, chosen, pixels, activation, query.top)
    curves: dict[str, list[LayerChange]] = {layer.id: [] for layer in chosen}
    pictures = []
    for step in steps:
        moved = _seen(network, chosen, shifted(pixels, *step, query.fill), activation, query.top)
        pictures.append(_moved_picture(step, original, moved))
        for layer in chosen:
            curves[layer.id].append(_layer_change(network, layer, step, original, moved, pixels))
    return as_json(
        Shift(
            model=model,
            version=version,
            height=pixels.shape[0],
            width=pixels.shape[1],
            fill=query.fill,
            original=original.answer.top if original.answer else None,
            shifts=pictures,
            layers=[
                LayerShift(
                    id=layer.id,
                    kind=layer.kind,
                    shape=original.tensors[layer.output].shape,
                    jump=_jump(network.sights.get(layer.output)),
                    changes=curves[layer.id],
                )
                for layer in chosen
            ],
        )
    )


# --- which shifts


def _steps(query: ShiftQuery, *, width: int, height: int) -> list[_Step]:
    across, down = _numbers("dx", query.dx, "wide", width), _numbers("dy", query.dy, "high", height)
    count = max(len(across), len(down))
    if {len(across), len(down)} - {1, count}:
        raise InvalidParameterError("dy", query.dy, f"give one number, or {len(across)} as for dx")
    if count > MAX_SHIFTS:
        raise InvalidParameterError("dx", query.dx, f"ask for at most {MAX_SHIFTS} shifts at a time")
    return [_Step(across[index % len(across)], down[index % len(down)]) for index in range(count)]


def _numbers(name: str, text: str, extent: str, size: int) -> list[int]:
    found = []
    for part in text.split(","):
        if not _WHOLE_NUMBER.fullmatch(part.strip()):
            raise InvalidParameterError(name, text, "give whole numbers of pixels with commas between, such as 1,2,4")
        if abs(int(part)) >= size:
            remedy = f"the network's picture is {size} pixels {extent}: give -{size - 1} to {size - 1}"
            raise InvalidParameterError(name, int(part), remedy)
        found.append(int(part))
    return found


def _picture(pixels: Pixels, steps: Sequence[_Step], query: ShiftQuery) -> Reply:
    if len(steps) != 1:
        raise InvalidParameterError("dx", query.dx, "a png shows one shift: give one dx and one dy")
    legend = {**steps[0]._asdict(), "fill": query.fill, "height": pixels.shape[0], "width": pixels.shape[1]}
    moved = shifted(pixels, *steps[0], query.fill)
    return Reply(rgb_png(moved, legend), "image/png", legend=json.dumps(legend))


# --- what changes


def _seen(network: Network, chosen: Sequence[Layer], pixels: Pixels, activation: Activation | None, top: int) -> _Seen:
    image = normalized(pixels, network.file.metadata.preprocessing)
    scores = network.file.output.name if network.file.output else None
    tensors = network.values([*(layer.output for layer in chosen), *([scores] if scores else [])], image)
    return _Seen(image, tensors, answer(network.file, tensors[scores], activation, top) if scores else None)


def _moved_picture(step: _Step, original: _Seen, moved: _Seen) -> MovedPicture:
    change = Change(
        relative=relative_change(original.input, moved.input), cosine=cosine_similarity(original.input, moved.input)
    )
    return MovedPicture(dx=step.dx, dy=step.dy, input=change, answer=_moved_answer(original.answer, moved.answer))


def _moved_answer(original: Answer | None, moved: Answer | None) -> MovedAnswer | None:
    if original is None or moved is None:
        return None
    index = original.top[0].index
    return MovedAnswer(
        predictions=moved.top,
        same_class=moved.top[0].index == index,
        original_class_probability=finite(float(moved.probabilities[index])),
        largest_change=finite(float(np.abs(moved.probabilities - original.probabilities).max())),
    )


def _layer_change(
    network: Network, layer: Layer, step: _Step, original: _Seen, moved: _Seen, pixels: Pixels
) -> LayerChange:
    stopping.check()
    before, after = original.tensors[layer.output], moved.tensors[layer.output]
    size = pixels.shape[0], pixels.shape[1]
    return LayerChange(
        dx=step.dx,
        dy=step.dy,
        relative=relative_change(before, after),
        cosine=cosine_similarity(before, after),
        equivariance=equivariance(before, after, network.sights.get(layer.output), (step.dy, step.dx), size),
    )


def _jump(view: View) -> tuple[Number, Number] | None:
    fields = [sight.field for sight in view or () if sight.field is not None and sight.axis is not None]
    if len(fields) != 2:
        return None
    down, across = (int(f.jump) if f.jump.denominator == 1 else float(f.jump) for f in fields)
    return down, across
