"""Where an exported file comes from: the recipe it names, as it was set, and the data set that this one trains on."""

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from service.engine.model_file import ModelFile, read
from service.errors import ModelFileError, shown
from training.datasets import Dataset, load
from training.errors import UnusableFileError
from training.recipes import Recipe, recipe_named, with_settings


def checked_file(file: Path) -> ModelFile:
    """The file as the service reads it; raises UnusableFileError where it is not sound."""
    try:
        return read(file)
    except ModelFileError as error:
        raise UnusableFileError(file, error.detail, error.remedy) from error


def recipe_of(path: Path, file: ModelFile) -> Recipe:
    """Raises UnusableFileError where the file names none, UnknownRecipeError, InvalidRecipeError."""
    provenance = file.metadata.provenance
    if provenance.recipe is None:
        raise UnusableFileError(path, "it names no recipe", "give a file that training exported")
    return with_settings(recipe_named(provenance.recipe), provenance.settings)


def dataset_of(
    path: Path, file: ModelFile, data: Path | None, *, skip_unreadable: bool = False, fetch: bool = False
) -> Dataset:
    """The data set of the file's recipe, at the size that the file takes.

    Raises UnusableFileError where it has other classes than the file, and what loading the data raises.
    """
    takes = file.metadata.preprocessing
    shape = (takes.height, takes.width, takes.channels)
    dataset = load(recipe_of(path, file).dataset, data, shape, skip_unreadable=skip_unreadable, fetch=fetch)
    _check_classes(path, file.metadata.class_names, dataset.class_names)
    return dataset


def _check_classes(path: Path, of_file: Sequence[str], of_data: Sequence[str]) -> None:
    for its, theirs in zip_longest(of_file, of_data):
        if its != theirs:
            raise UnusableFileError(
                path,
                f"its classes are not those of the data set: {_named(its)} stands where they have {_named(theirs)}",
                "give the data it was trained on: --data",
            )


def _named(class_name: str | None) -> str:
    return "nothing" if class_name is None else shown(class_name)
