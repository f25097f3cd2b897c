"""What a unit sees according to the table, against what really changes when pixels of a picture are changed."""

from collections.abc import Iterator
from math import floor

import numpy as np
import pytest

from service.inspection.shapes.layer_table import LayerRow
from tests import zoo
from tests.service.inspection.shapes.zoo_runs import NAMES, Array, Runner, image_of, table

# Convolutions and pools have their output as N, C, height, width, also in networks that take N, height, width, C.
_ON_A_GRID = frozenset({"conv", "transposed_conv", "max_pool", "average_pool"})
# Every row and column of these is changed, one at a time; of the others a few.
_WHOLE = ("keras_unet", "keras_srcnn", "resnet50_small", "resnet20_cifar")
_LIGHT = (
    "bit", "convnext_v2", "efficientnet_b0", "focalnet", "keras_densenet121", "keras_mobilenet", "keras_mobilenet_v3",
    "keras_nasnet", "mobilenet_v1", "mobilenet_v2", "mxnet_mobilenet", "paddle_lenet",
    "paddle_shufflenet_v2", "poolformer", "pvt", "regnet_y", "segformer", "shufflenet", "squeezenet", "swiftformer",
    "upernet", "van",
)  # fmt: skip
_FEW = 3


def rows_of(name: str) -> list[LayerRow]:
    return [r for r in table(name).layers if r.kind in _ON_A_GRID and r.receptive_field and r.receptive_field.jump]


@pytest.mark.parametrize("name", [name for name in (*_WHOLE, *_LIGHT) if name in NAMES])
def test_no_unit_changes_with_a_pixel_it_does_not_see_and_all_seen_ones_do_where_it_is_exact(name: str) -> None:
    rows = rows_of(name)
    assert rows
    picture = image_of(name)
    runner = Runner(name, [row.tensor for row in rows])
    before = runner(picture)
    for spatial, axis in enumerate(image_axes(name)):
        reached: dict[str, set[int]] = {row.id: set() for row in rows}
        for pixel in chosen(picture.shape[axis], name):
            after = runner(changed(picture, axis, pixel))
            for row in rows:
                units = changed_units(before[row.tensor], after[row.tensor], 2 + spatial)
                assert all(sees(row, spatial, unit, pixel) for unit in units), (row.id, pixel, units)
                reached[row.id] |= {pixel} if middle(row, spatial) in units else set()
        if name in _WHOLE:
            for row in rows:
                assert_exact(row, spatial, reached[row.id], picture.shape[axis])


def assert_exact(row: LayerRow, spatial: int, reached: set[int], size: int) -> None:
    """The unit in the middle changes with the first and with the last pixel of its field, as far as they exist."""
    low, high = interval(row, spatial, middle(row, spatial))
    assert row.receptive_field
    if row.receptive_field.status == "exact":
        assert (min(reached), max(reached)) == (max(low, 0), min(high, size - 1)), row.id


def interval(row: LayerRow, spatial: int, unit: int) -> tuple[float, float]:
    """First and last pixel that a unit sees."""
    field = row.receptive_field
    assert field
    assert field.centre
    assert field.jump
    size = field.size[spatial]
    assert size is not None
    centre = field.centre[spatial] + unit * field.jump[spatial]
    return centre - (size - 1) / 2, centre + (size - 1) / 2


def sees(row: LayerRow, spatial: int, unit: int, pixel: int) -> bool:
    """`size` counts whole pixels: a field that begins between two may reach half a pixel further on both sides."""
    low, high = interval(row, spatial, unit)
    return low - 0.5 <= pixel <= high + 0.5


def middle(row: LayerRow, spatial: int) -> int:
    assert row.output_shape
    return floor((row.output_shape[2 + spatial] or 1) / 2)


def changed_units(before: Array, after: Array, axis: int) -> list[int]:
    different = before != after
    others = tuple(each for each in range(before.ndim) if each != axis)
    return np.flatnonzero(different.any(axis=others)).tolist()


def changed(picture: Array, axis: int, pixel: int) -> Array:
    other = picture.copy()
    moved = np.moveaxis(other, axis, 0)
    moved[pixel] = moved[pixel] * -3 + 5
    return other


def chosen(size: int, name: str) -> Iterator[int]:
    yield from (
        range(size) if name in _WHOLE else sorted(np.random.default_rng(1).choice(size, _FEW, replace=False).tolist())
    )


def image_axes(name: str) -> tuple[int, int]:
    _, first, *_, last = zoo.facts()[name]["input_shape"]
    return (1, 2) if last in (1, 3) and first not in (1, 3) else (2, 3)
