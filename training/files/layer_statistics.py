"""The training report: what each layer of an exported file holds for images of the training set.

Computed by the very code that looks at production's images, so that a difference is the images' and not the code's.
"""

import math
from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime
from jaxtyping import UInt8
from torch import Tensor

from service.engine.layer_report import LayerReport, TrainingReport
from service.engine.model_file import ModelFile, from_bytes
from service.engine.model_metadata import ModelMetadata, with_metadata
from service.inspection.live.live_statistics import layers_of
from service.inspection.live.running_statistics import Activations, merged_layers, population, standardised
from service.inspection.network import Network
from service.inspection.prefix_sessions import PrefixSessions
from training.tensors import Images

IMAGES = 1000
_BINS = 10
_ONE_SESSION_BYTES = 2**40  # there is one session, of the whole network: it has to stay


def with_training_report(model: onnx.ModelProto, metadata: ModelMetadata, training: Images) -> ModelMetadata:
    """`metadata` with the report of `IMAGES` of the training images. Two passes' time for each: 3 s for mnist."""
    bare = metadata.model_copy(update={"layer_statistics": None})
    file = from_bytes(with_metadata(model, bare).SerializeToString())
    report = training_report(file, spread(training, IMAGES), f"training images of recipe {metadata.provenance.recipe}")
    return metadata.model_copy(update={"layer_statistics": report})


def training_report(file: ModelFile, images: Images, dataset: str) -> TrainingReport:
    """Of a file that states no report, for images of the size that it takes."""
    network = Network(file, PrefixSessions(_session, _ONE_SESSION_BYTES))
    seen = [layers_of(network, image.numpy()) for image in images]
    layers = tuple(layer_report(layer_id, [of[layer_id] for of in seen]) for layer_id in seen[0])
    return TrainingReport(dataset=dataset, images=len(seen), layers=layers)


def layer_report(layer_id: str, seen: Sequence[Activations]) -> LayerReport:
    """Of one layer, from what it held for each image."""
    together = merged_layers({layer_id: of} for of in seen)[layer_id]
    spreads = [_rounded(float(std), float(std) / 100) for std in together.channels.std]
    means = [
        _rounded(float(mean), std / 100)
        for mean, std in zip(together.channels.mean, together.channels.std, strict=True)
    ]
    known = together.values.count > 0
    report = LayerReport(
        id=layer_id,
        mean=_digits(float(together.values.mean)),
        std=_digits(float(together.values.std)),
        min=together.min if known else 0.0,
        max=together.max if known else 0.0,
        zeros=_digits(together.zeros / max(int(together.values.count), 1)),
        dead_channels=together.dead_channels,
        channel_means=tuple(means),
        channel_stds=tuple(spreads),
        edges=(),
        counts=(0,),
    )
    return _with_population(report, seen)


def spread(images: Images, count: int) -> UInt8[Tensor, "chosen height width channels"]:
    """`count` images at even distances, all where there are fewer: always the same ones, of all classes."""
    return images[np.linspace(0, len(images) - 1, min(count, len(images))).round().astype(np.int64)]


def _with_population(report: LayerReport, seen: Sequence[Activations]) -> LayerReport:
    """With bins that hold a tenth of the standardised means each, as far as these are not all the same."""
    means = np.stack([of.channels.mean for of in seen])
    counted = np.stack([of.channels.count > 0 for of in seen])
    standard = standardised(means, counted, report)
    if not standard.size:
        return report
    deciles = np.quantile(standard, np.arange(1, _BINS) / _BINS)
    edges = tuple(sorted({round(float(edge), 3) for edge in deciles}))
    binned = report.model_copy(update={"edges": edges, "counts": (0,) * (len(edges) + 1)})
    return binned.model_copy(update={"counts": tuple(population(means, counted, binned).tolist())})


def _session(model: bytes) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])


def _rounded(value: float, step: float) -> float:
    """To as many decimals as `step` has before its first digit; as it is where `step` is 0."""
    return value if step <= 0 else round(value, math.ceil(-math.log10(step)))


def _digits(value: float) -> float:
    return float(f"{value:.6g}")
