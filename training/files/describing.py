"""A training report put into a file that was exported before there were any. Trains nothing and changes no weight."""

from pathlib import Path

from service.engine.model_metadata import ModelMetadata, with_metadata
from training.files.layer_statistics import with_training_report
from training.files.origin import checked_file, dataset_of
from training.files.publishing import publish


def describe(file: Path, data: Path | None, *, skip_unreadable: bool = False, fetch: bool = False) -> ModelMetadata:
    """Rewrites `file` with a new report of its recipe's training images; returns what it says of itself now.

    Its graph, and so `fovea.sha256`, stay; the checksum of the file as a whole changes. Raises UnusableFileError where
    the file is not sound, UnknownRecipeError, and what loading the data raises; then nothing was written.
    """
    found = checked_file(file)
    dataset = dataset_of(file, found, data, skip_unreadable=skip_unreadable, fetch=fetch)
    metadata = with_training_report(found.model, found.metadata, dataset.training.images)
    publish({file: with_metadata(found.model, metadata).SerializeToString(deterministic=True)})
    return metadata
