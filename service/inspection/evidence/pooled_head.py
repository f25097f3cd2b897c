"""The head that makes class activation maps exact: maps, averaged over the picture, and one weighted sum of them.

Found by the layers, then confirmed by numbers: the averages and the sum have to give the network's own scores.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from service.arrays import FeatureMaps, NetworkInput
from service.inspection.graph.layers import Layer
from service.inspection.network import Network

_PASS_ON = frozenset({"flatten", "reshape", "dropout", "identity", "cast"})
_AVERAGES = frozenset({"global_average_pool", "reduce_mean", "average_pool"})
_ROUNDING = 1e-3


@dataclass(frozen=True)
class PooledHead:
    """`layer` makes the maps, `weights` [classes, channels] make class scores of their averages.

    `scores` are the picture's, [1, classes].
    `sum` is the layer with those weights; None where the averages are the scores already, so that a map belongs to each
    class (network in network, SqueezeNet).
    """

    layer: Layer
    sum: Layer | None
    maps: FeatureMaps
    weights: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class _Parts:
    layer: Layer
    average: Layer
    sum: Layer | None


def pooled_layer(layers: Sequence[Layer], target: str) -> Layer | None:
    """The layer whose maps such a head would average, by the graph alone."""
    parts = _parts(layers, target)
    return None if parts is None else parts.layer


def pooled_head(network: Network, target: str, image: NetworkInput) -> PooledHead | None:
    """The head behind the class scores in `target`, None where the network has another. Costs one run of it."""
    parts = _parts(network.layers, target)
    if parts is None:
        return None
    asked = {parts.layer.output, parts.average.output, target, *(parts.sum.weights if parts.sum else ())}
    found = network.part(sorted(asked)).run({network.file.input.name: _copies(image, network)})
    axes = parts.average.integers("axes") or (2, 3)
    maps = _channels_first(found[parts.layer.output], axes)
    scores = found[target][0].ravel()
    pooled = found[parts.average.output][0].ravel()
    weights, bias = _weighted(parts.sum, found, len(scores))
    if maps is None or weights is None or weights.shape != (len(scores), len(maps)):
        return None
    if not _same(pooled, maps.mean(axis=(1, 2))) or not _same(scores, weights @ pooled + bias):
        return None
    return PooledHead(parts.layer, parts.sum, maps, weights, scores[None].astype(np.float32))


def _parts(layers: Sequence[Layer], target: str) -> _Parts | None:
    makers = {tensor: layer for layer in layers for tensor in layer.outputs}
    weighted = average = _reached(makers, target)
    if weighted is not None and weighted.kind not in _AVERAGES:
        average = _reached(makers, weighted.inputs[0]) if _is_sum(weighted) else None
    if average is None or average.kind not in _AVERAGES or average.inputs[0] not in makers:
        return None
    return _Parts(makers[average.inputs[0]], average, None if weighted is average else weighted)


def _reached(makers: Mapping[str, Layer], tensor: str) -> Layer | None:
    """The layer that makes the tensor's values, through what passes them on unchanged."""
    layer = makers.get(tensor)
    while layer is not None and layer.kind in _PASS_ON and layer.inputs:
        layer = makers.get(layer.inputs[0])
    return layer


def _is_sum(layer: Layer) -> bool:
    """A dense layer, or a convolution of single values, which is one."""
    single = layer.kind == "conv" and layer.groups == 1 and set(layer.kernel or (0,)) == {1}
    return (layer.kind == "dense" or single) and bool(layer.weights) and len(layer.inputs) == 1


def _weighted(
    layer: Layer | None, found: Mapping[str, np.ndarray], classes: int
) -> tuple[np.ndarray | None, np.ndarray]:
    """The weights as [classes, channels] and the bias [classes]."""
    bias = np.zeros(classes)
    if layer is None:
        return np.eye(classes), bias
    weights = found[layer.weights[0]].astype(np.float64)
    weights = weights.reshape(len(weights), -1) if layer.kind == "conv" else weights
    gemm = layer.op_types[0] == "Gemm"
    if layer.kind == "dense" and not (gemm and layer.settings.get("transB") == 1):
        weights = weights.T
    if len(layer.weights) > 1:
        bias = _number(layer, "beta", gemm=gemm) * found[layer.weights[1]].astype(np.float64).ravel()
    fits = weights.ndim == 2 and bias.size in (1, classes)
    return (_number(layer, "alpha", gemm=gemm) * weights if fits else None), bias


def _number(layer: Layer, setting: str, *, gemm: bool) -> float:
    value = layer.settings.get(setting, 1.0) if gemm else 1.0
    return float(value) if isinstance(value, int | float) else 1.0


def _channels_first(values: np.ndarray, axes: Sequence[int]) -> FeatureMaps | None:
    """[channels, height, width] of the first image, where `axes` are the two that are averaged over."""
    spatial = sorted(axis % 4 for axis in axes)
    if values.ndim != 4 or len(spatial) != 2 or 0 in spatial:
        return None
    (channels,) = {1, 2, 3} - set(spatial)
    maps: FeatureMaps = np.moveaxis(values[0], channels - 1, 0).astype(np.float32, copy=False)
    return maps


def _same(found: np.ndarray, expected: np.ndarray) -> bool:
    close = found.shape == expected.shape
    return close and np.allclose(found, expected, rtol=_ROUNDING, atol=_ROUNDING * max(1e-3, np.abs(expected).max()))


def _copies(image: NetworkInput, network: Network) -> np.ndarray:
    return np.repeat(image[None], network.file.input.batch or 1, axis=0)
