"""A training report put into a file that was exported before there were any. Trains nothing and changes no weight."""

from pathlib import Path

from service.engine.model_metadata import ModelMetadata, with_metadata
from training.datasets import load
from training.errors import UnusableFileError
from training.evaluating import checked_file
from training.layer_statistics import with_training_report
from training.publishing import publish
from training.recipes import recipe_named


def describe(file: Path, data: Path | None) -> ModelMetadata:
    """Rewrites `file` with a new report of its recipe's training images; returns what it says of itself now.

    Its graph, and so `fovea.sha256`, stay; the checksum of the file as a whole changes. Raises UnusableFileError where
    the file is not sound, UnknownRecipeError, and what loading the data raises; then nothing was written.
    """
    found = checked_file(file)
    if found.metadata.provenance.recipe is None:
        raise UnusableFileError(file, "it names no recipe", "give a file that training exported")
    dataset = load(recipe_named(found.metadata.provenance.recipe).dataset, data)
    metadata = with_training_report(found.model, found.metadata, dataset.training.images)
    publish({file: with_metadata(found.model, metadata).SerializeToString(deterministic=True)})
    return metadata
