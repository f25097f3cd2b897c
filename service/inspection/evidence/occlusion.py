"""A picture with one patch after the other covered, and what the score loses by it. Pure: knows no network.

M. Zeiler, R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from service.arrays import EvidenceMap, Pixels

Fill = Literal["mean", "grey"]

_PATCHES_ACROSS = 7  # 4 pixels of 28, 32 of 224
_GREY = 128


@dataclass(frozen=True)
class Patches:
    """Squares of `side` pixels, `stride` from one to the next, over a picture of this size; the last may stand out."""

    height: int
    width: int
    side: int
    stride: int

    @property
    def rows(self) -> int:
        return _positions(self.height, self.side, self.stride)

    @property
    def columns(self) -> int:
        return _positions(self.width, self.side, self.stride)

    @property
    def count(self) -> int:
        return self.rows * self.columns


def default_side(height: int, width: int) -> int:
    """A seventh of the picture's shorter side."""
    return max(1, min(height, width) // _PATCHES_ACROSS)


def covered(picture: Pixels, patches: Patches, numbers: Sequence[int], fill: Fill) -> Iterator[Pixels]:
    """The picture with the patch of each number over it, row by row; `fill` is its mean colour or middle grey."""
    colour = picture.mean(axis=(0, 1)).round() if fill == "mean" else _GREY
    for number in numbers:
        row, column = divmod(number, patches.columns)
        top, left = row * patches.stride, column * patches.stride
        changed = picture.copy()
        changed[top : top + patches.side, left : left + patches.side] = colour
        yield changed


def losses(scores: np.ndarray, unchanged: float, patches: Patches) -> EvidenceMap:
    """What the score loses by each patch, as a map with one value per patch."""
    return (unchanged - scores.astype(np.float64)).reshape(patches.rows, patches.columns)


def _positions(length: int, side: int, stride: int) -> int:
    return max(0, math.ceil((length - side) / stride)) + 1
