"""A picture moved by whole pixels inside its own frame. Pure."""

from typing import Literal

import numpy as np

from service.arrays import Pixels

Fill = Literal["edge", "zero"]


def shifted(pixels: Pixels, dx: int, dy: int, fill: Fill) -> Pixels:
    """What was at (row, column) is at (row + dy, column + dx): to the right and downwards where positive.

    Pixels that come in repeat the nearest one of the picture's edge, or are 0, which is black.
    """
    height, width, _ = pixels.shape
    rows, columns = np.arange(height) - dy, np.arange(width) - dx
    moved: Pixels = pixels[rows.clip(0, height - 1)][:, columns.clip(0, width - 1)]
    if fill == "zero":
        moved[(rows < 0) | (rows >= height)] = 0
        moved[:, (columns < 0) | (columns >= width)] = 0
    return moved
