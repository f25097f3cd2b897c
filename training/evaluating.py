"""An exported file measured again on the test set of the recipe that made it."""

from pathlib import Path

from service.engine.model_file import ModelFile, read
from service.engine.model_metadata import Metrics
from service.errors import ModelFileError
from training.datasets import load
from training.errors import UnusableFileError
from training.recipes import recipe_named
from training.run import metrics
from training.runtime import onnx_logits


def evaluated_file(file: Path, data: Path | None) -> Metrics:
    """Accuracy and loss of the file's own answers, with the temperature that it states.

    Raises UnusableFileError where the file is not sound, UnknownRecipeError, and what loading the data raises.
    """
    checked = checked_file(file)
    if checked.metadata.provenance.recipe is None:
        raise UnusableFileError(file, "it names no recipe", "give a file that training exported")
    dataset = load(recipe_named(checked.metadata.provenance.recipe).dataset, data)
    return metrics(onnx_logits(checked.model, dataset.test.images), dataset, checked.metadata.temperature)


def checked_file(file: Path) -> ModelFile:
    """The file as the service reads it; raises UnusableFileError where it is not sound."""
    try:
        return read(file)
    except ModelFileError as error:
        raise UnusableFileError(file, error.detail, error.remedy) from error
