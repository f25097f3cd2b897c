"""An exported file measured again on the test set of the recipe that made it."""

from functools import partial
from pathlib import Path

from service.engine.model_metadata import Metrics
from training.files.model_files import metrics
from training.files.origin import checked_file, dataset_of
from training.graphs.runtime import onnx_logits
from training.recipes.recipe import TestTime
from training.test_time import view_logits


def evaluated_file(
    file: Path, data: Path | None, views: TestTime = "none", *, skip_unreadable: bool = False, fetch: bool = False
) -> Metrics:
    """Accuracy and loss of the file's own answers, with the temperature that it states; means over `views` of an image.

    Raises UnusableFileError where the file is not sound, UnknownRecipeError, and what loading the data raises.
    """
    checked = checked_file(file)
    dataset = dataset_of(file, checked, data, skip_unreadable=skip_unreadable, fetch=fetch)
    logits = view_logits(partial(onnx_logits, checked.model), dataset.test.images, views)
    return metrics(logits, dataset, checked.metadata.temperature)
