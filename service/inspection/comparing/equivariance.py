"""Whether a layer's map moves along when the picture does: the map of the moved picture against the moved map.

Pure: knows where a map's cells lie on the picture (`sight`), no network and no picture.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from service.inspection.comparing.differences import relative_change
from service.inspection.shapes.receptive_field import ReceptiveField
from service.inspection.shapes.sight import View


class Equivariance(BaseModel):
    """How far the map of the moved picture is from the moved map of the original; 0 is perfect translation."""

    model_config = ConfigDict(frozen=True)

    cells: tuple[int, int] = Field(description="how far the map moves, [down, across]: the shift / jump")
    overlap: float | None = Field(
        description="norm(moved picture's map - moved map) / norm(moved map) over the cells that both have"
    )
    interior: float | None = Field(
        description="the same over the cells whose receptive field holds moved pixels only, no filling and no padding; "
        "null where there is none or the moved map is all zeros there"
    )
    interior_cells: int = Field(description="how many such cells each channel has")


@dataclass(frozen=True)
class _Axis:
    """Cells of the moved picture's map along one axis, and by how many the original's map moves onto them."""

    axis: int
    cells: int
    overlap: range
    interior: range


def equivariance(
    before: np.ndarray, after: np.ndarray, view: View, shift: tuple[int, int], size: tuple[int, int]
) -> Equivariance | None:
    """`before` and `after`: one layer's maps of a picture of `size` and of the same moved by `shift`, (down, across).

    None where the layer has no grid over the picture, where a jump does not divide the shift, and where no cell of the
    moved map is left. Layers without a larger stride before them are exactly equivariant inside, up to rounding.
    """
    if view is None or len(view) != 2:
        return None
    axes = []
    for sight, moved, pixels in zip(view, shift, size, strict=True):
        found = None if sight.axis is None else _axis(sight.axis, sight.field, moved, pixels, before.shape[sight.axis])
        if found is None:
            return None
        axes.append(found)
    down, across = axes
    interior_cells = len(down.interior) * len(across.interior)
    return Equivariance(
        cells=(down.cells, across.cells),
        overlap=_change(before, after, [(axis, axis.overlap) for axis in axes]),
        interior=_change(before, after, [(axis, axis.interior) for axis in axes]) if interior_cells else None,
        interior_cells=interior_cells,
    )


def _axis(axis: int, field: ReceptiveField | None, shift: int, pixels: int, count: int) -> _Axis | None:
    if field is None or (Fraction(shift) / field.jump).denominator != 1:
        return None
    cells = int(shift / field.jump)
    first, last = max(0, cells), count - 1 + min(0, cells)
    if last < first:
        return None
    if shift == 0:  # what pads this axis pads both maps alike
        return _Axis(axis, cells, range(first, last + 1), range(first, last + 1))
    low = ceil((max(0, shift) - field.low) / field.jump)
    high = floor((pixels - 1 + min(0, shift) - field.high) / field.jump)
    return _Axis(axis, cells, range(first, last + 1), range(max(first, low), min(last, high) + 1))


def _change(before: np.ndarray, after: np.ndarray, chosen: list[tuple[_Axis, range]]) -> float | None:
    was, becomes = [slice(None)] * before.ndim, [slice(None)] * after.ndim
    for axis, cells in chosen:
        becomes[axis.axis] = slice(cells.start, cells.stop)
        was[axis.axis] = slice(cells.start - axis.cells, cells.stop - axis.cells)
    return relative_change(before[tuple(was)], after[tuple(becomes)])
