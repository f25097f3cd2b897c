"""Where the evidence for a class lies in one picture: the question, and the forms of its answer. Knows no HTTP."""

from time import perf_counter
from typing import Literal
from urllib.parse import urlencode

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from service.arrays import ChannelWeights, EvidenceMap
from service.engine.model_file import ModelFile
from service.engine.probabilities import probabilities
from service.errors import AnswerTooLargeError, InvalidParameterError
from service.images.decoding import ImageLimits
from service.images.overlay import Placement, overlay
from service.inspection.answers import finite
from service.inspection.evidence import attribution
from service.inspection.evidence.attribution import Case, Evidence
from service.inspection.evidence.cam import enlarged, positive
from service.inspection.evidence.occlusion import Fill
from service.inspection.evidence.score import Quantity, Target
from service.inspection.forms import Reply, as_json, as_npy, as_npz, as_png
from service.inspection.maps.map_limits import MAX_JSON_NUMBERS
from service.inspection.network import Network

_TOP_CHANNELS = 10
# What speaks against the class is cut off where the method's authors do so; the others show it.
_CUT_OFF = {"cam": True, "grad-cam": True, "ablation": True, "eigen": False, "occlusion": False}


class ClassActivationQuery(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    class_: str | None = Field(
        default=None, alias="class", max_length=256, description="name or index of the class; unset: the predicted one"
    )
    layer: str | None = Field(default=None, max_length=256, description="whose maps are weighted; unset: the best one")
    method: Literal["auto", "cam", "grad-cam", "ablation", "eigen", "occlusion"] = Field(
        default="auto",
        description="auto: cam where it is exact, else grad-cam, else occlusion; the answer says which and why",
    )
    relu: bool | None = Field(
        default=None, description="cut off what speaks against the class; unset: as the method's authors do"
    )
    patch: int | None = Field(default=None, ge=1, le=4096, description="occlusion: side of the covered square, pixels")
    stride: int | None = Field(default=None, ge=1, le=4096, description="occlusion: pixels from one square to the next")
    fill: Fill | None = Field(default=None, description="occlusion: the picture's mean colour (unset), or middle grey")
    format: Literal["json", "png", "npy", "npz"] = Field(
        default="json", description="numbers with what they mean, a picture, or numbers alone"
    )
    resolution: Literal["layer", "picture"] = Field(
        default="layer", description="npy, npz: one value per unit of the layer, or per pixel of the received picture"
    )
    smooth: bool = Field(default=False, description="png: colours from centre to centre, not one cell each")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True, serialize_by_alias=True)


class ExplainedClass(_Frozen):
    """The class that the evidence is for."""

    label: str
    index: int
    score: float | None = Field(description="what the map explains: see `quantity`")
    quantity: Quantity = Field(description="logit: before the softmax; log_probability where the file has no logits")
    probability: float | None
    predicted: bool = Field(description="whether it is the class that the network answers")


class Range(_Frozen):
    min: float | None
    max: float | None


class ChannelWeight(_Frozen):
    channel: int
    weight: float | None


class OnPicture(_Frozen):
    """Where the map's cells lie on the received picture, in its pixels, as (down, across); pixel 0's centre is 0."""

    centre: tuple[float, float]
    jump: tuple[float, float]
    stretched: bool = Field(description="true: every unit sees all of the picture, so the map is laid over all of it")


class ActivationLinks(_Frozen):
    """The same map in other forms: POST the same image there."""

    png: str
    npy: str


class ClassActivation(_Frozen):
    """A map of the evidence for one class."""

    model: str
    version: int
    method: attribution.Method
    because: str = Field(description="why this method and this layer")
    formula: str
    layer: str | None = Field(description="whose maps were weighted; null for occlusion, which needs none")
    explained: ExplainedClass | None = Field(
        alias="class", description="null for eigen, which is of no class, where the network has none"
    )
    class_specific: bool
    relu: bool = Field(description="whether what speaks against the class was cut off")
    range: Range
    shape: tuple[int, int]
    values: list[list[float | None]] = Field(description="the map, by rows; null stands for NaN or infinity")
    on_picture: OnPicture
    channels: list[ChannelWeight] | None = Field(description="the ten largest weights by magnitude; null without")
    held: tuple[str, ...] = Field(
        description="tensors by which the picture reaches the scores round the layer: kept as they are"
    )
    passes: int = Field(description="runs of the network behind the layer, known before; occlusion: of all of it")
    milliseconds_per_pass: float | None = Field(description="measured before; passes that cannot end in time: 422")
    seconds: float = Field(description="what everything took")
    links: ActivationLinks


def class_activation(
    network: Network,
    data: bytes,
    query: ClassActivationQuery,
    limits: ImageLimits,
    max_bytes: int,
    seconds: float,
    model: str,
    version: int,
    url: str,
) -> Reply:
    """The answer for one image file within so many seconds. `url` is that of the model's version, for links.

    Cost: one or two runs of the network, and the passes that the answer states. Raises TooManyPassesError at once
    where those cannot end in time, UnknownLayerError, and InvalidParameterError for a class or layer without a map.
    """
    begun = perf_counter()
    case = Case(network, network.received(data, limits), query.class_, query.layer, begun + seconds)
    evidence = _evidence(case, query)
    relu = _CUT_OFF[evidence.method] if query.relu is None else query.relu
    values = positive(evidence.values) if relu else evidence.values
    placed = evidence.placed or _stretched(values, case)
    if query.format == "png":
        return as_png(overlay(case.picture, values, placed, smooth=query.smooth, title=_title(case, evidence)))
    if query.format != "json":
        found = values if query.resolution == "layer" else _per_pixel(values, placed, case)
        return _numbers(query, evidence, found.astype(np.float32), max_bytes)
    links = _links(url, query, evidence)
    if values.size > MAX_JSON_NUMBERS:
        raise AnswerTooLargeError(
            f"{values.size:,} numbers are too many for JSON, which may hold {MAX_JSON_NUMBERS:,}",
            f"POST the image to {links.npy}",
        )
    answer = ClassActivation(
        model=model,
        version=version,
        method=evidence.method,
        because=evidence.because,
        formula=f"{evidence.formula}; then what is below zero is cut off" if relu else evidence.formula,
        layer=evidence.layer and evidence.layer.id,
        explained=_explained(case, evidence),
        class_specific=evidence.method != "eigen",
        relu=relu,
        range=Range(min=finite(float(values.min())), max=finite(float(values.max()))),
        shape=values.shape,
        values=[[finite(value) for value in row] for row in values.astype(np.float32).tolist()],
        on_picture=OnPicture(centre=placed.centre, jump=placed.jump, stretched=evidence.placed is None),
        channels=_largest(evidence.weights),
        held=evidence.held,
        passes=evidence.passes,
        milliseconds_per_pass=evidence.seconds_per_pass and 1000 * evidence.seconds_per_pass,
        seconds=perf_counter() - begun,
        links=links,
    )
    return as_json(answer)


def _evidence(case: Case, query: ClassActivationQuery) -> Evidence:
    patches = {"patch": query.patch, "stride": query.stride, "fill": query.fill}
    if query.method == "occlusion":
        if query.layer is not None:
            raise InvalidParameterError("layer", query.layer, "occlusion looks at no layer: leave it out")
        return attribution.by_occlusion(case, query.patch, query.stride, query.fill or "mean")
    for name, value in patches.items():
        if value is not None:
            raise InvalidParameterError(name, value, "it belongs to method=occlusion: ask for that, or leave it out")
    return _METHODS[query.method](case)


_METHODS = {
    "auto": attribution.automatic,
    "cam": attribution.by_cam,
    "grad-cam": attribution.by_grad_cam,
    "ablation": attribution.by_ablation,
    "eigen": attribution.by_eigen,
}


def _explained(case: Case, evidence: Evidence) -> ExplainedClass | None:
    target, scores, file = evidence.target, evidence.scores, case.network.file
    if target is None or scores is None:
        return None
    return ExplainedClass(
        label=file.metadata.class_names[target.index],
        index=target.index,
        score=finite(float(target.of(scores)[0])),
        quantity=target.quantity,
        probability=finite(_probability(target, scores, file)),
        predicted=target.index == int(scores[0].argmax()),
    )


def _probability(target: Target, scores: np.ndarray, file: ModelFile) -> float:
    """The one that classify answers. What the file itself makes of these scores knows no temperature."""
    if target.quantity == "log_probability":
        return float(scores[0, target.index])
    activation = file.output.activation if file.output else None
    if activation == "sigmoid":
        return float(1 / (1 + np.exp(-scores[0, target.index].astype(np.float64))))
    temperature = 1.0 if activation == "softmax" else file.metadata.temperature
    return float(probabilities(scores, None, temperature)[0, target.index])


def _title(case: Case, evidence: Evidence) -> str:
    where = f" of {evidence.layer.id}" if evidence.layer else ""
    explained = _explained(case, evidence)
    return f"{evidence.method}{where}" + (f" for {explained.label}" if explained else "")


def _largest(weights: ChannelWeights | None) -> list[ChannelWeight] | None:
    if weights is None:
        return None
    order = np.argsort(-np.abs(weights), kind="stable")[:_TOP_CHANNELS].tolist()
    return [ChannelWeight(channel=channel, weight=finite(float(weights[channel]))) for channel in order]


def _stretched(values: EvidenceMap, case: Case) -> Placement:
    """All of the map over all of the picture: where every unit sees all of it, no geometry says better."""
    jumps = [side / cells for side, cells in zip(case.picture.shape[:2], values.shape, strict=True)]
    down, across = ((jump - 1) / 2 for jump in jumps)
    return Placement(centre=(down, across), jump=(jumps[0], jumps[1]))


def _per_pixel(values: EvidenceMap, placed: Placement, case: Case) -> np.ndarray:
    down, across = (
        (np.arange(side) - centre) / jump
        for side, centre, jump in zip(case.picture.shape[:2], placed.centre, placed.jump, strict=True)
    )
    return enlarged(values, (down, across))


def _numbers(query: ClassActivationQuery, evidence: Evidence, values: np.ndarray, max_bytes: int) -> Reply:
    if query.format == "npy":
        return as_npy("class-activation", values, max_bytes)
    weights = {} if evidence.weights is None else {"weights": evidence.weights.astype(np.float32)}
    return as_npz("class-activation", {"map": values} | weights, max_bytes)


def _links(url: str, query: ClassActivationQuery, evidence: Evidence) -> ActivationLinks:
    """The same question with the method and the layer that were chosen."""
    asked = query.model_dump(by_alias=True, exclude_unset=True, exclude={"format", "resolution", "smooth"})
    chosen = {"method": evidence.method} | ({"layer": evidence.layer.id} if evidence.layer else {})
    png, npy = (f"{url}/class-activation?{urlencode(asked | chosen | {'format': form})}" for form in ("png", "npy"))
    return ActivationLinks(png=png, npy=npy)
