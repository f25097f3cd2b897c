"""What the layers held for a sample of production's images, and how that compares with training. Knows no HTTP.

No image is kept: `look` makes a few numbers per channel of it, and these are only ever merged with those of others.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field

from service.arrays import NetworkInput
from service.engine.layer_report import TrainingReport
from service.inspection import stopping
from service.inspection.graph.layers import Layer
from service.inspection.live.drift import Drift, drift, images_needed
from service.inspection.live.running_statistics import Activations, activations, merged_layers
from service.inspection.maps.channels import channel_axis, channels_first
from service.inspection.network import Network

# They hold the numbers of the layer before them; the units of a flattened map are its pixels, often dark, never dead.
_REARRANGE = frozenset(
    {"flatten", "reshape", "transpose", "squeeze", "unsqueeze", "identity", "dropout"}
    | {"quantize_linear", "dequantize_linear"}
)


class LiveStatisticsQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    channels: bool = Field(default=False, description="the mean and standard deviation of each channel too")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=(), ser_json_inf_nan="null")


class LiveChannels(_Frozen):
    """Each channel's mean per image: its mean and standard deviation over the images."""

    mean: list[float]
    std: list[float]


class LiveLayer(_Frozen):
    """One layer, over all sampled images. Null where no value was finite."""

    id: str
    min: float | None
    mean: float | None
    max: float | None
    std: float | None = Field(description="of all values (population, not sample)")
    zeros: float | None = Field(description="share of the finite values that are exactly 0, from 0 to 1")
    not_finite: int = Field(description="how many values were NaN or infinity")
    channels: int = Field(description="channels of maps, or units; 1 for a tensor with no such axis")
    dead_channels: tuple[int, ...] = Field(description="channels that were 0 everywhere in every image so far")
    drift: Drift | None = Field(description="null where the model file has no training report of this layer")
    of_channels: LiveChannels | None = Field(default=None, description="where asked for by channels=true")


class TrainingImages(_Frozen):
    """What is compared with: the training report of the model file."""

    dataset: str
    images: int


class LiveStatistics(_Frozen):
    """What the layers of one version held for a sample of the images it classified."""

    model: str
    version: int
    share: float = Field(description="how many of the classified images are sampled, from 0 to 1")
    workers: int = Field(description="processes of the service; those that could not be asked are not in the figures")
    workers_asked: int = Field(description="processes whose figures these are")
    since: str | None = Field(description="when the first image was sampled, ISO 8601; null before")
    images: int = Field(description="sampled images that are in the figures")
    dropped: int = Field(description="sampled images that were let go because others still waited")
    failed: int = Field(description="sampled images whose layers could not be computed")
    problem: str | None = Field(description="why the last one of those could not")
    training: TrainingImages | None = Field(description="null where the model file has no training report")
    images_needed: int | None = Field(description="from how many images on `drifted` is said; null: never")
    drifted: bool | None = Field(description="whether any layer is; null where that cannot be told, see `verdict`")
    verdict: str = Field(description="the same as a sentence")
    layers: list[LiveLayer] = Field(description="in the order of the network")


@dataclass(frozen=True)
class Seen:
    """What is known of one version's sampled images. `since` is ISO 8601, so that the earliest is the smallest."""

    sha256: str
    since: str | None = None
    dropped: int = 0
    failed: int = 0
    problem: str | None = None
    layers: Mapping[str, Activations] = field(default_factory=dict)

    @property
    def images(self) -> int:
        return max((layer.images for layer in self.layers.values()), default=0)


def look(network: Network, images: Sequence[NetworkInput], seconds: float) -> dict[str, Activations]:
    """What each layer held for `images`, in one pass each. Starts no image after so many seconds, but for the first."""
    until = time.monotonic() + seconds
    seen: dict[str, Activations] = {}
    for image in images:
        seen = merged_layers([seen, layers_of(network, image)])
        stopping.check()
        if time.monotonic() > until:
            break
    return seen


def layers_of(network: Network, image: NetworkInput) -> dict[str, Activations]:
    """What each layer held for one image, its channels where they lie in the file."""
    report = network.file.metadata.layer_statistics
    chosen = observed(network)
    tensors = network.values([layer.output for layer in chosen], image)
    seen = {}
    for layer in chosen:
        values = tensors[layer.output]
        numbers = channels_first(values, channel_axis(network, layer, values.ndim))
        seen[layer.id] = activations(numbers, report.layer(layer.id) if report else None)
    return seen


def observed(network: Network) -> list[Layer]:
    """The layers that the file names, or all where it names none; without those that only rearrange others' numbers."""
    named = {layer.tensor for layer in network.file.metadata.layers}
    stated = [layer for layer in network.layers if named.intersection(layer.outputs)] or network.layers
    return [layer for layer in stated if layer.stage == "preprocessing" or layer.kind not in _REARRANGE]


def together(several: Sequence[Seen]) -> Seen:
    """What several processes saw of the same file. The first is there in any case."""
    first = several[0]
    same = [seen for seen in several if seen.sha256 == first.sha256]
    return Seen(
        sha256=first.sha256,
        since=min((seen.since for seen in same if seen.since), default=None),
        dropped=sum(seen.dropped for seen in same),
        failed=sum(seen.failed for seen in same),
        problem=next((seen.problem for seen in same if seen.problem), None),
        layers=merged_layers(seen.layers for seen in same),
    )


def live_statistics(
    seen: Seen,
    report: TrainingReport | None,
    query: LiveStatisticsQuery,
    *,
    model: str,
    version: int,
    share: float,
    workers: int,
    workers_asked: int,
) -> LiveStatistics:
    """The answer. Takes a millisecond per thousand channels at most."""
    needed = None if report is None else images_needed(report)
    enough = needed is not None and seen.images >= needed
    layers = [_layer(layer_id, of, report, query, enough=enough) for layer_id, of in seen.layers.items()]
    drifted = [layer.id for layer in layers if layer.drift and layer.drift.drifted]
    return LiveStatistics(
        model=model,
        version=version,
        share=share,
        workers=workers,
        workers_asked=workers_asked,
        since=seen.since,
        images=seen.images,
        dropped=seen.dropped,
        failed=seen.failed,
        problem=seen.problem,
        training=report and TrainingImages(dataset=report.dataset, images=report.images),
        images_needed=needed,
        drifted=bool(drifted) if enough else None,
        verdict=_verdict(seen.images, report, needed, drifted),
        layers=layers,
    )


def layers_drifted(seen: Seen, report: TrainingReport) -> dict[str, bool]:
    """Whether each layer has, of those of which it can be told. Takes a millisecond per thousand channels at most."""
    needed = images_needed(report)
    if needed is None or seen.images < needed:
        return {}
    expected = {layer_id: report.layer(layer_id) for layer_id in seen.layers}
    found = {layer_id: drift(seen.layers[layer_id], of, enough=True).drifted for layer_id, of in expected.items() if of}
    return {layer_id: drifted for layer_id, drifted in found.items() if drifted is not None}


def _layer(
    layer_id: str, seen: Activations, report: TrainingReport | None, query: LiveStatisticsQuery, *, enough: bool
) -> LiveLayer:
    known = int(seen.values.count)
    expected = report and report.layer(layer_id)
    return LiveLayer(
        id=layer_id,
        min=seen.min if known else None,
        mean=float(seen.values.mean) if known else None,
        max=seen.max if known else None,
        std=float(seen.values.std) if known else None,
        zeros=seen.zeros / known if known else None,
        not_finite=seen.not_finite,
        channels=len(seen.active),
        dead_channels=seen.dead_channels,
        drift=drift(seen, expected, enough=enough) if expected else None,
        of_channels=LiveChannels(mean=seen.channels.mean.tolist(), std=seen.channels.std.tolist())
        if query.channels
        else None,
    )


def _verdict(images: int, report: TrainingReport | None, needed: int | None, drifted: Sequence[str]) -> str:
    if report is None:
        return "the model file has no training report to compare with: python -m training describe FILE adds it"
    if needed is None:
        return f"the training report is of {report.images} images, too few to compare with"
    if images < needed:
        return f"too few images: {images} of {needed}"
    return f"drifted: {', '.join(drifted)}" if drifted else "no layer has drifted"
