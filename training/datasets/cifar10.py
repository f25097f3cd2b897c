"""CIFAR-10 in whichever form its folder has it: the binary one, which is exact, else the JPEG one, which is not.

The description of the data set says which.
"""

from pathlib import Path

from training.datasets.cifar10_binary import ARCHIVE as BINARY
from training.datasets.cifar10_binary import cifar10_binary, has_binary
from training.datasets.cifar10_jpeg import ARCHIVE as JPEG
from training.datasets.cifar10_jpeg import cifar10_jpeg
from training.datasets.dataset import Dataset
from training.errors import MissingDataError


def cifar10(folder: Path) -> Dataset:
    if has_binary(folder):
        return cifar10_binary(folder)
    if (folder / JPEG).is_file():
        return cifar10_jpeg(folder)
    raise MissingDataError([f"{BINARY} (or {JPEG})"], folder, download=True)
