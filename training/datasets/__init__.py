"""The data sets by name. A new one is a module here and a line in one of the two tables of readers."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from training.datasets.cifar10 import cifar10
from training.datasets.cifar10_jpeg import cifar10_jpeg
from training.datasets.dataset import Dataset, Examples, held_out_mask, parts, split
from training.datasets.digits import digits
from training.datasets.download import download as downloaded
from training.datasets.folder import folder as class_folders
from training.datasets.idx import fashion_mnist, mnist
from training.datasets.table import table
from training.errors import UnknownDatasetError
from training.networks.architecture import InputShape

__all__ = ["NAMES", "Dataset", "Examples", "default_folder", "held_out_mask", "load", "parts", "scalable", "split"]


class _PictureReader(Protocol):
    def __call__(self, place: Path, input_shape: InputShape, *, skip_unreadable: bool) -> Dataset: ...


# Sets of known files, whose images have a size of their own.
_READERS: dict[str, Callable[[Path], Dataset]] = {
    "mnist": mnist,
    "fashion_mnist": fashion_mnist,
    "cifar10": cifar10,
    "cifar10_jpeg": cifar10_jpeg,
}
# One's own pictures, of any size.
_PICTURE_READERS: dict[str, _PictureReader] = {"folder": class_folders, "csv": table}
NAMES = ("digits", *_READERS, *_PICTURE_READERS)


def default_folder(name: str) -> Path:
    return Path("data") / name


def scalable(name: str) -> bool:
    """Whether the images of this data set are brought to the size that is asked for."""
    return name in _PICTURE_READERS


def load(
    name: str, folder: Path | None, input_shape: InputShape, *, skip_unreadable: bool = False, fetch: bool = False
) -> Dataset:
    """The named data set; `folder` (default data/<name>) holds its files, if it needs any.

    `input_shape` is the size to bring pictures to where they have none of their own; `skip_unreadable` leaves out
    those that cannot be decoded; `fetch` downloads first what is public and not there. Raises UnknownDatasetError,
    DownloadError, and what the set's reader raises.
    """
    place = folder or default_folder(name)
    if fetch:
        downloaded(name, place)
    if name == "digits":
        return digits()
    if name in _READERS:
        return _READERS[name](place)
    if name in _PICTURE_READERS:
        return _PICTURE_READERS[name](place, input_shape, skip_unreadable=skip_unreadable)
    raise UnknownDatasetError(name, NAMES)
