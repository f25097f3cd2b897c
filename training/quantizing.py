"""A trained version of the repository to its next version in 8 bits, measured before it is written."""

from dataclasses import dataclass
from pathlib import Path

import torch

from service.engine.model_file import ModelFile
from service.engine.model_metadata import ModelMetadata, Provenance, graph_sha256, with_metadata
from service.engine.repository import Entry, listing
from training.datasets import Dataset, Examples, load, split
from training.errors import AccuracyLossError, MissingVersionError, UnusableFileError
from training.evaluating import checked_file
from training.evaluation import accuracy, fitted_temperature
from training.export import Exported
from training.layer_statistics import with_training_report
from training.provenance import commit, versions
from training.publishing import publish, version_path
from training.quantization import METHOD, quantized
from training.recipes import recipe_named
from training.run import metrics
from training.runtime import onnx_logits
from training.tensors import Images

CALIBRATION_SEED = 0


@dataclass(frozen=True)
class Result:
    """The file that was written, what it says of itself, and the accuracy of the one it was made from."""

    path: Path
    metadata: ModelMetadata
    accuracy_before: float


def quantize(
    name: str, version: int | None, *, models: Path, data: Path | None, images: int, max_loss: float
) -> Result:
    """Writes version `version` of a model (default: its newest trained one) in 8 bits, as its next version.

    `images` of what the recipe trains on give the ranges, what it holds out the temperature; the test set gives figures
    only. Raises AccuracyLossError where more than `max_loss` points are lost, MissingVersionError, UnusableFileError,
    QuantizationError, and what loading the data raises; then nothing was written.
    """
    versions_there = [entry for entry in listing(models).entries if entry.name == name]
    entry, source = _source(models / name, versions_there, version)
    recipe = recipe_named(source.metadata.provenance.recipe or "")
    dataset = load(recipe.dataset, data)
    training, validation = split(dataset.training, recipe.validation_every)
    calibration = calibration_images(training, images)
    graph = quantized(Exported(source.model, source.metadata.layers), calibration)
    before = accuracy(onnx_logits(source.model, dataset.test.images), dataset.test.labels)
    provenance = _provenance(entry, source, before, len(calibration))
    metadata = _described(graph, source.metadata, dataset, validation, provenance)
    _refuse_loss(before, metadata, max_loss)
    path = version_path(models, name, versions_there[-1].version + 1)
    publish({path: with_metadata(graph.model, metadata).SerializeToString(deterministic=True)})
    return Result(path, metadata, before)


def calibration_images(training: Examples, count: int) -> Images:
    """`count` images, always the same ones; all of them where there are fewer."""
    order = torch.randperm(len(training), generator=torch.Generator().manual_seed(CALIBRATION_SEED))
    return training.images[order[:count]]


def _source(folder: Path, there: list[Entry], version: int | None) -> tuple[Entry, ModelFile]:
    """The version asked for, else the newest trained one."""
    for entry in reversed(there):
        if version not in (None, entry.version):
            continue
        file = checked_file(entry.path)
        if _is_trained(file):
            return entry, file
        if version is not None:
            stage = file.metadata.provenance.stage
            raise UnusableFileError(entry.path, f"it is {stage}, not trained", "give a version that a recipe trained")
    raise MissingVersionError(folder, version, [entry.version for entry in there])


def _is_trained(file: ModelFile) -> bool:
    return file.metadata.provenance.stage == "trained" and file.metadata.provenance.recipe is not None


def _provenance(entry: Entry, source: ModelFile, before: float, images: int) -> Provenance:
    note = (
        f"int8 of version {entry.version} (fovea.sha256 {graph_sha256(source.model)}), which has {before:.2%} on the "
        f"same test images in float32; uint8 activations, int8 kernels per channel within 7 bits; "
        f"ranges: {METHOD} of each tensor over {images:,} training images"
    )
    return source.metadata.provenance.model_copy(
        update={"stage": "quantized", "commit": commit(), "versions": versions(), "note": note}
    )


def _described(
    graph: Exported, source: ModelMetadata, dataset: Dataset, validation: Examples, provenance: Provenance
) -> ModelMetadata:
    temperature = fitted_temperature(onnx_logits(graph.model, validation.images), validation.labels)
    metadata = source.model_copy(
        update={
            "layers": graph.layers,
            "metrics": metrics(onnx_logits(graph.model, dataset.test.images), dataset, temperature),
            "temperature": temperature,
            "provenance": provenance,
        }
    )
    return with_training_report(graph.model, metadata, dataset.training.images)


def _refuse_loss(before: float, metadata: ModelMetadata, max_loss: float) -> None:
    after = metadata.metrics.accuracy if metadata.metrics else 0.0
    # Of 10,000 images one is 0.01 points; a hundredth of that is rounding.
    if 100 * (before - after) > max_loss + 1e-4:
        raise AccuracyLossError(before, after, max_loss)
