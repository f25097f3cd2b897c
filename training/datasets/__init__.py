"""The data sets by name. A new one is a module here and a line in `load`."""

from pathlib import Path

from training.datasets.dataset import Dataset, Examples, split
from training.datasets.digits import digits
from training.datasets.idx import mnist

__all__ = ["Dataset", "Examples", "load", "split"]


def load(name: str, folder: Path | None) -> Dataset:
    """The named data set; `folder` (default data/<name>) holds its files, if it needs any."""
    return digits() if name == "digits" else mnist(folder or Path("data") / name)
