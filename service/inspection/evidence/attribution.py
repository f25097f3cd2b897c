"""Where the evidence for a class lies, by one of several methods, all with forward passes only. Knows no HTTP.

Each function asks one method; `automatic` asks the first that suits the network and ends in time. The arithmetic is in
`cam`, `perturbation` and `occlusion`, the passes are `suffix`'s.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import Literal

import numpy as np

from service.arrays import ChannelWeights, EvidenceMap, FeatureMaps, NetworkInput, Pixels, Variations
from service.errors import InvalidParameterError, NotAClassifierError, TooManyPassesError
from service.images.overlay import Placement
from service.images.preprocessing import normalized
from service.inspection import stopping
from service.inspection.answers import class_index
from service.inspection.evidence import cam, occlusion, perturbation
from service.inspection.evidence.occlusion import Fill, Patches
from service.inspection.evidence.pooled_head import PooledHead, pooled_head, pooled_layer
from service.inspection.evidence.score import Target, quantity_of, score_tensor
from service.inspection.evidence.suffix import Suffix, bypasses, depends, suffix
from service.inspection.graph.layers import Layer
from service.inspection.maps.placement import placement, spatial_axes
from service.inspection.network import Network
from service.inspection.shapes.input_size import Dims

Method = Literal["cam", "grad-cam", "ablation", "eigen", "occlusion"]

MAX_PASSES = 8192  # ResNet-50's last 2,048 channels take 4,096
_UNEVEN = 0.1  # of slopes: where two steps differ by more, neither is a derivative
_SHARE_OF_TIME = 0.8  # what is left of the time is for drawing, and for a machine that becomes busier


@dataclass(frozen=True)
class Evidence:
    """A map of one method, before its negative part is cut off. `weights` are the channels', where it has channels.

    `target` is the class that it is for and `scores` are the picture's, [1, classes]; None for a map of no class.
    `placed` is None where the layer has no place on the picture. `held` are the tensors that went round the layer.
    `passes` are the runs of what lies behind the layer (of the whole network for occlusion), `seconds` one of them.
    """

    method: Method
    because: str
    formula: str
    values: EvidenceMap
    layer: Layer | None
    placed: Placement | None
    target: Target | None = None
    scores: np.ndarray | None = None
    weights: ChannelWeights | None = None
    held: tuple[str, ...] = ()
    passes: int = 0
    seconds_per_pass: float | None = None


@dataclass(frozen=True)
class Case:
    """One picture, one network, and what is asked. `deadline` is in `perf_counter`'s seconds.

    `asked_class` and `asked_layer` are names, None where nothing was named.
    """

    network: Network
    picture: Pixels
    asked_class: str | None
    asked_layer: str | None
    deadline: float

    @cached_property
    def image(self) -> NetworkInput:
        return normalized(self.picture, self.network.file.metadata.preprocessing)

    @cached_property
    def tensor(self) -> str:
        """The one with the class scores. Raises NotAClassifierError."""
        file = self.network.file
        if file.output is None:
            raise NotAClassifierError(file.graph.name)
        return score_tensor(file.model, file.output)

    @cached_property
    def asked_index(self) -> int | None:
        """The class that was asked for, None where none was. Raises InvalidParameterError for one nobody knows."""
        return None if self.asked_class is None else class_index(self.network, self.asked_class)

    def target(self, scores: np.ndarray) -> Target:
        """The class that was asked for, else the one with the highest of the picture's scores, [1, classes]."""
        index = int(scores[0].argmax()) if self.asked_index is None else self.asked_index
        return Target(self.tensor, quantity_of(scores), index)

    @cached_property
    def spatial_layers(self) -> tuple[Layer, ...]:
        """Those whose output is a map over the picture of more than one value, in the network's order."""
        shapes = {row.id: row.output_shape for row in self.network.table().layers}
        return tuple(
            layer
            for layer in self.network.layers
            if layer.stage != "preprocessing"
            and (axes := spatial_axes(self.network, layer)) is not None
            and _is_map(shapes[layer.id], axes)
        )

    @cached_property
    def layer(self) -> Layer | None:
        """The layer that was asked for. Raises UnknownLayerError, or InvalidParameterError where it is no map."""
        if self.asked_layer is None:
            return None
        layer = self.network.layer(self.asked_layer)
        if layer not in self.spatial_layers:
            raise self.not_spatial(layer)
        return layer

    def not_spatial(self, layer: Layer) -> InvalidParameterError:
        names = [each.id for each in self.spatial_layers]
        shown = ", ".join(names[-8:])
        return InvalidParameterError(
            "layer", layer.id, f"its output is no map over the picture; the last of {len(names)} that are: {shown}"
        )


def automatic(case: Case) -> Evidence:
    """CAM where the head allows it, else Grad-CAM, else occlusion where that costs too much or no layer is a map."""
    head = pooled_head(case.network, case.tensor, case.image)
    if head is not None and head.maps[0].size > 1 and case.layer in (None, head.layer):
        return _by_head(case, head, "the network averages these maps and sums the averages: this is exact")
    try:
        return _by_channels(case, "grad-cam", _WHY_GRAD_CAM if case.layer is None else "of the layer asked for")
    except _NoSlopeError:
        return _by_channels(case, "ablation", "the score moves in steps, as of a quantised network: it has no slopes")
    except TooManyPassesError as error:
        return by_occlusion(case, because=f"Grad-CAM is too expensive: {error.detail}")
    except _NoMapError:
        return by_occlusion(case, because="no layer that the scores depend on is a map over the picture")


def by_cam(case: Case) -> Evidence:
    """Raises InvalidParameterError for a network whose head is another, or another layer than the head's."""
    head = pooled_head(case.network, case.tensor, case.image)
    if head is None:
        remedy = "its scores are no weighted sum of averaged maps: ask for method=grad-cam, which needs none"
        raise InvalidParameterError("method", "cam", remedy)
    if head.maps[0].size == 1:
        raise case.not_spatial(head.layer)
    if case.layer is not None and case.layer != head.layer:
        remedy = f"CAM is of the layer that is averaged, {head.layer.id}; for another ask for method=grad-cam"
        raise InvalidParameterError("layer", case.layer.id, remedy)
    return _by_head(case, head, "asked for")


def by_grad_cam(case: Case) -> Evidence:
    return _by_channels(case, "grad-cam", "asked for")


def by_ablation(case: Case) -> Evidence:
    return _by_channels(case, "ablation", "asked for")


def by_eigen(case: Case) -> Evidence:
    """Of no class: also for a network that has none."""
    if case.asked_class is not None:
        raise InvalidParameterError(
            "class", case.asked_class, "eigen is of no class: leave it out, or ask for grad-cam"
        )
    layer = case.layer or _default_layer(case, classes=case.network.file.output is not None)
    maps = _channels_first(case, layer, case.network.values([layer.output], case.image)[layer.output])
    if not np.isfinite(maps).all():
        raise InvalidParameterError(
            "layer", layer.id, "some of its values are not finite, and such maps have no component: ask for another one"
        )
    values, weights = cam.principal_component(maps)
    return Evidence("eigen", "asked for", _FORMULAS["eigen"], values, layer, _placed(case, layer), weights=weights)


def by_occlusion(
    case: Case, patch: int | None = None, stride: int | None = None, fill: Fill = "mean", because: str = "asked for"
) -> Evidence:
    """Any classifier; covers the received picture, before any arithmetic."""
    patches = _patches(case.picture, patch, stride)
    made = suffix(case.network, case.network.file.input.name, case.tensor, case.image)
    _admit(case, made, patches.count, _larger_patches(case, made, patches))

    def variations(these: slice) -> np.ndarray:
        preprocessing, numbers = case.network.file.metadata.preprocessing, range(patches.count)[these]
        return np.stack([normalized(p, preprocessing) for p in occlusion.covered(case.picture, patches, numbers, fill)])

    values = occlusion.losses(_scores(case, made, patches.count, variations), _unchanged(case, made), patches)
    centre, jump = (patches.side - 1) / 2, float(patches.stride)
    return Evidence(
        "occlusion",
        because,
        _FORMULAS["occlusion"],
        values,
        None,
        Placement((centre, centre), (jump, jump)),
        target=case.target(made.scores),
        scores=made.scores,
        passes=patches.count,
        seconds_per_pass=made.seconds,
    )


# --- what the methods share


def _is_map(shape: Dims | None, axes: tuple[int, int]) -> bool:
    """Of known size, with channels and more than one position."""
    return shape is not None and len(shape) == 4 and None not in shape and {shape[axis] for axis in axes} != {1}


_WHY_GRAD_CAM = "of the last layer with maps, before pooling, that nothing goes round"
_POOLINGS = frozenset({"max_pool", "average_pool", "lp_pool"})
_FORMULAS: dict[Method, str] = {
    "cam": "map = sum_k w_k A_k; w_k: weight of channel k in the class's score, so that mean(map) + bias is the score",
    "grad-cam": "map = sum_k w_k A_k; w_k = mean_ij d score/d A_kij, by central differences of the whole channel",
    "ablation": "map = sum_k w_k A_k; w_k = (score - score without channel k) / |score|",
    "eigen": "map = first principal component of the channels over the positions; it belongs to no class",
    "occlusion": "map = score - score with the patch covered",
}


class _NoMapError(InvalidParameterError):
    """The network has no layer that a method on layers could use."""


class _NoSlopeError(InvalidParameterError):
    """The score does not move evenly with the layer, however little that is moved."""

    def __init__(self, layer: Layer, change: float) -> None:
        remedy = f"behind {layer.id} the score moves in steps, its slopes differ by {change:.0%}: ask for ablation"
        super().__init__("method", "grad-cam", remedy)


def _by_head(case: Case, head: PooledHead, because: str) -> Evidence:
    target = case.target(head.scores)
    weights = head.weights[target.index]
    return Evidence(
        "cam",
        because,
        _FORMULAS["cam"],
        cam.weighted_sum(weights, head.maps),
        head.layer,
        _placed(case, head.layer),
        target=target,
        scores=head.scores,
        weights=weights,
    )


def _by_channels(case: Case, method: Literal["grad-cam", "ablation"], because: str) -> Evidence:
    layer = case.layer or _default_layer(case, classes=True)
    graph = case.network.file.graph
    if not depends(graph, layer.output, case.tensor):
        raise InvalidParameterError("layer", layer.id, "the class scores do not depend on it: ask for another")
    made = suffix(case.network, layer.output, case.tensor, case.image)
    maps = _channels_first(case, layer, made.value)
    passes = _passes(method, len(maps))
    _admit(case, made, passes, _fewer_passes(case, made, len(maps), method))
    weights = (_gradients if method == "grad-cam" else _drops)(case, layer, made, maps)
    return Evidence(
        method,
        because,
        _FORMULAS[method],
        cam.weighted_sum(weights, maps),
        layer,
        _placed(case, layer),
        target=case.target(made.scores),
        scores=made.scores,
        weights=weights,
        held=tuple(sorted(bypasses(graph, layer.output, case.tensor))),
        passes=passes,
        seconds_per_pass=made.seconds,
    )


def _gradients(case: Case, layer: Layer, made: Suffix, maps: FeatureMaps) -> ChannelWeights:
    """Of the score by each channel, the mean over its units: raising a whole channel adds up its units' derivatives."""

    def slopes(channels: np.ndarray, steps: np.ndarray) -> np.ndarray:
        moves, by = channels.repeat(2), np.stack([steps, -steps], axis=1).ravel()

        def variations(these: slice) -> np.ndarray:
            return _as_in_graph(case, layer, perturbation.moved(maps, moves[these], by[these]))

        return perturbation.slopes(_scores(case, made, len(moves), variations), steps)

    size, probed = perturbation.size(maps), perturbation.probed(len(maps))
    steps = size * perturbation.STEPS
    tried = slopes(np.tile(probed, len(steps)), steps.repeat(len(probed))).reshape(len(steps), -1)
    step = perturbation.smallest_precise(tried)
    if step.change > _UNEVEN:
        raise _NoSlopeError(layer, step.change)
    best = np.full(len(maps), size * step.share)
    return np.asarray(slopes(np.arange(len(maps)), best) / maps[0].size)


def _drops(case: Case, layer: Layer, made: Suffix, maps: FeatureMaps) -> ChannelWeights:
    def variations(these: slice) -> np.ndarray:
        return _as_in_graph(case, layer, perturbation.silenced(maps, np.arange(len(maps))[these]))

    return perturbation.score_drops(_scores(case, made, len(maps), variations), _unchanged(case, made))


def _passes(method: Method, channels: int) -> int:
    if method == "ablation":
        return channels
    return 2 * (channels + len(perturbation.STEPS) * len(perturbation.probed(channels)))


def _scores(case: Case, made: Suffix, count: int, variations: Callable[[slice], np.ndarray]) -> np.ndarray:
    """The class's score for each variation, as many at a time as the suffix takes; ends when nobody waits any more."""
    found = []
    target = case.target(made.scores)
    for start in range(0, count, made.rows):
        stopping.check()
        found.append(target.of(made.run(variations(slice(start, min(start + made.rows, count))))))
    return np.concatenate(found)


def _unchanged(case: Case, made: Suffix) -> float:
    """The score to compare with: the suffix's own, so that both have the same rounding."""
    return float(case.target(made.scores).of(made.run(made.value))[0])


def _default_layer(case: Case, *, classes: bool) -> Layer:
    """The last layer with maps; where there are classes, the last one that nothing goes round to the scores.

    What is pooled is finer before: a pooling is taken only where nothing else is left.
    """
    graph = case.network.file.graph
    found = [
        layer
        for layer in reversed(case.spatial_layers)
        if not classes or (depends(graph, layer.output, case.tensor) and not bypasses(graph, layer.output, case.tensor))
    ]
    if not found:
        raise _NoMapError("method", "of maps", "no layer of this network is a map over the picture: ask for occlusion")
    return next((layer for layer in found if layer.kind not in _POOLINGS and layer.stage != "layout"), found[0])


def _channels_first(case: Case, layer: Layer, values: np.ndarray) -> FeatureMaps:
    """[channels, height, width] of a layer with 1 row, which may stand otherwise in the graph."""
    axes = spatial_axes(case.network, layer)
    if axes is None or values.ndim != 4 or values.dtype.kind != "f":
        raise case.not_spatial(layer)
    maps: FeatureMaps = np.moveaxis(values, axes, (-2, -1))[0].astype(np.float32, copy=False)
    return maps


def _as_in_graph(case: Case, layer: Layer, varied: Variations) -> np.ndarray:
    """With the axes where the graph has them."""
    axes = spatial_axes(case.network, layer)
    return np.moveaxis(varied, (-2, -1), axes or (-2, -1))


def _placed(case: Case, layer: Layer) -> Placement | None:
    try:
        return placement(case.network, layer)
    except InvalidParameterError:  # its units see all of the picture
        return None


def _patches(picture: Pixels, side: int | None, stride: int | None) -> Patches:
    height, width, _ = picture.shape
    side = side or occlusion.default_side(height, width)
    if side > min(height, width):
        raise InvalidParameterError("patch", side, f"the network receives {height}x{width} pixels: ask for less")
    return Patches(height, width, side, stride or max(1, side // 2))


# --- what may be asked of the machine


def _admit(case: Case, made: Suffix, passes: int, remedy: str) -> None:
    """Raises TooManyPassesError, before any of them, where they could not end in time."""
    left = _SHARE_OF_TIME * (case.deadline - perf_counter())
    if passes > MAX_PASSES or passes * made.seconds > left:
        raise TooManyPassesError(passes, made.seconds, left, MAX_PASSES, remedy)


def _affordable(case: Case, made: Suffix) -> int:
    left = _SHARE_OF_TIME * (case.deadline - perf_counter())
    return max(0, min(MAX_PASSES, int(left / made.seconds)))


def _fewer_passes(case: Case, made: Suffix, channels: int, method: Method) -> str:
    head = pooled_layer(case.network.layers, case.tensor)
    if head is not None:
        return f"ask for method=cam, which takes one run of the network, on layer {head.id}"
    if method == "grad-cam" and channels <= _affordable(case, made):
        return f"ask for method=ablation, which takes {channels:,} passes, or for a later layer"
    return "ask for a later layer, or for method=eigen, which takes one run of the network"


def _larger_patches(case: Case, made: Suffix, patches: Patches) -> str:
    """The finest patches that can be afforded, each half covered by the next."""
    affordable = _affordable(case, made)
    for stride in range(patches.stride + 1, min(patches.height, patches.width) // 2 + 1):
        fewer = Patches(patches.height, patches.width, 2 * stride, stride)
        if fewer.count <= affordable:
            return f"ask for patch={fewer.side}&stride={stride}, which takes {fewer.count:,} passes"
    return "ask for method=eigen, which takes one run of the network"
