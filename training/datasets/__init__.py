"""The data sets by name. A new one is a module here and a line in `_READERS`."""

from collections.abc import Callable
from pathlib import Path

from training.datasets.cifar10 import cifar10
from training.datasets.dataset import Dataset, Examples, split
from training.datasets.digits import digits
from training.datasets.idx import mnist

__all__ = ["Dataset", "Examples", "load", "split"]


_READERS: dict[str, Callable[[Path], Dataset]] = {"mnist": mnist, "cifar10": cifar10}


def load(name: str, folder: Path | None) -> Dataset:
    """The named data set; `folder` (default data/<name>) holds its files, if it needs any."""
    if name == "digits":
        return digits()
    return _READERS[name](folder or Path("data") / name)
