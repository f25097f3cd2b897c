"""A trained version of the repository to its next version in fewer bits, measured before it is written."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from service.engine.model_file import ModelFile
from service.engine.model_metadata import ModelMetadata, Provenance, graph_sha256, with_metadata
from service.engine.repository import Entry, listing
from training.datasets import Dataset, Examples, parts
from training.errors import AccuracyLossError, MissingVersionError, UnusableFileError
from training.evaluation import accuracy, fitted_temperature
from training.files.layer_statistics import with_training_report
from training.files.model_files import metrics
from training.files.origin import checked_file, dataset_of, recipe_of
from training.files.provenance import commit, versions
from training.files.publishing import publish, version_path
from training.graphs.export import Exported
from training.graphs.half_precision import halved
from training.graphs.quantization import METHOD, quantized
from training.graphs.runtime import onnx_logits
from training.tensors import Images

Precision = Literal["int8", "float16"]

CALIBRATION_SEED = 0


@dataclass(frozen=True)
class Result:
    """The file that was written, what it says of itself, and the accuracy of the one it was made from."""

    path: Path
    metadata: ModelMetadata
    accuracy_before: float


def quantize(
    name: str,
    version: int | None,
    *,
    to: Precision,
    models: Path,
    data: Path | None,
    images: int,
    max_loss: float,
    skip_unreadable: bool = False,
    fetch: bool = False,
) -> Result:
    """Writes version `version` of a model (default: its newest trained one) in this precision, as its next version.

    `images` of what the recipe trains on give the ranges for int8, what it holds out the temperature; the test set
    gives figures only. Raises AccuracyLossError where more than `max_loss` points are lost, MissingVersionError,
    UnusableFileError, QuantizationError, and what loading the data raises; then nothing was written.
    """
    versions_there = [entry for entry in listing(models).entries if entry.name == name]
    entry, source = _source(models / name, versions_there, version)
    recipe = recipe_of(entry.path, source)
    dataset = dataset_of(entry.path, source, data, skip_unreadable=skip_unreadable, fetch=fetch)
    training, validation = parts(dataset, recipe.validation_every)
    graph, how = _lowered(Exported(source.model, source.metadata.layers), to, calibration_images(training, images))
    before = accuracy(onnx_logits(source.model, dataset.test.images), dataset.test.labels)
    provenance = _provenance(entry, source, before, how)
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


def _lowered(source: Exported, to: Precision, calibration: Images) -> tuple[Exported, str]:
    """The graph in this precision, and how it came about; `{origin}` stands for what it was made from."""
    if to == "float16":
        return halved(source), "float16 of {origin} in float32; weights and values of every layer rounded"
    return quantized(source, calibration), (
        "int8 of {origin} in float32; uint8 activations, int8 kernels per channel within 7 bits; "
        f"ranges: {METHOD} of each tensor over {len(calibration):,} training images"
    )


def _provenance(entry: Entry, source: ModelFile, before: float, how: str) -> Provenance:
    origin = (
        f"version {entry.version} (fovea.sha256 {graph_sha256(source.parted)}), which has {before:.2%} on the "
        "same test images"
    )
    note = how.format(origin=origin)
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
