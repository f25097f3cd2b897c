"""Maps of moved pictures against moved maps, through real convolutions and poolings."""

from typing import Literal

import numpy as np
import onnx
import pytest
from onnx import helper

from service.arrays import Pixels
from service.images.preprocessing import normalized
from service.images.shifting import shifted
from service.inspection.comparing.equivariance import Equivariance, equivariance
from service.inspection.network import Network
from tests import tiny_models
from tests.inspected import network as opened

SIDE = 20


def pooled(pool: Literal["MaxPool", "AveragePool"] = "MaxPool") -> onnx.ModelProto:
    """uint8 20x20x1 -> conv1 3x3 pad 1 -> relu -> pool 2x2 stride 2 -> conv2 3x3 pad 1 -> global average -> flat."""
    random = np.random.default_rng(0)
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=tiny_models.FLOAT),
        helper.make_node("Transpose", ["float"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["nchw", "conv1.weight", "conv1.bias"], ["conv1"], pads=[1] * 4),
        helper.make_node("Relu", ["conv1"], ["relu"]),
        helper.make_node(pool, ["relu"], ["pool"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["pool", "conv2.weight"], ["conv2"], pads=[1] * 4),
        helper.make_node("GlobalAveragePool", ["conv2"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
    ]
    weights = {
        "conv1.weight": random.normal(size=(3, 1, 3, 3)),
        "conv1.bias": random.normal(size=3),
        "conv2.weight": random.normal(size=(4, 3, 3, 3)),
    }
    shape: list[int | str] = ["batch", SIDE, SIDE, 1]
    return tiny_models.model(
        nodes, weights, ("image", tiny_models.UINT8, shape), ("flat", tiny_models.FLOAT, ["batch", 4])
    )


NETWORK = opened(pooled())
PICTURE: Pixels = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 1), np.uint8)


def moved(tensor: str, dx: int, dy: int, network: Network = NETWORK) -> Equivariance | None:
    stated = network.file.metadata.preprocessing
    before, after = (
        network.values([tensor], normalized(pixels, stated))[tensor]
        for pixels in (PICTURE, shifted(PICTURE, dx, dy, "edge"))
    )
    return equivariance(before, after, network.sights[tensor], (dy, dx), (SIDE, SIDE))


@pytest.mark.parametrize("tensor", ["nchw", "conv1", "relu", "pool", "conv2"])
@pytest.mark.parametrize(("dx", "dy"), [(2, 0), (-2, 0), (0, 4), (2, -4), (-4, -2), (0, 0)])
def test_inside_the_picture_a_map_moves_along_exactly(tensor: str, dx: int, dy: int) -> None:
    found = moved(tensor, dx, dy)
    assert found is not None
    assert found.interior is not None
    assert found.interior < 1e-6


@pytest.mark.parametrize("tensor", ["conv1", "pool", "conv2"])
def test_at_the_border_it_does_not_because_other_pixels_come_in(tensor: str) -> None:
    found = moved(tensor, 2, 0)
    assert found is not None
    assert found.overlap is not None
    assert found.overlap > 0.01


def test_the_interior_is_all_that_is_exact() -> None:
    """One cell more on either side would see a pixel that came in, or the padding."""
    tensor, dx = "conv1", 3
    stated = NETWORK.file.metadata.preprocessing
    before, after = (
        NETWORK.values([tensor], normalized(pixels, stated))[tensor]
        for pixels in (PICTURE, shifted(PICTURE, dx, 0, "edge"))
    )
    exact = np.isclose(after[..., dx:], before[..., :-dx], atol=1e-3).all(axis=(0, 1))
    found = moved(tensor, dx, 0)
    assert found is not None
    assert found.interior_cells == exact.sum() == SIDE * (SIDE - dx - 2)


def test_the_map_moves_by_the_shift_over_the_jump() -> None:
    found = moved("conv2", 4, -2)
    assert found is not None
    assert found.cells == (-1, 2)


def test_behind_a_stride_of_two_a_shift_by_one_pixel_has_no_cells_to_move() -> None:
    assert moved("relu", 1, 0) is not None
    for tensor in ("pool", "conv2"):
        assert moved(tensor, 1, 0) is None
        assert moved(tensor, 2, 1) is None


def test_where_no_cell_sees_moved_pixels_only_there_is_no_interior() -> None:
    found = moved("conv2", 16, 0)
    assert found is not None
    assert (found.interior, found.interior_cells) == (None, 0)
    assert found.overlap is not None


def test_a_layer_that_has_no_grid_over_the_picture_cannot_move() -> None:
    assert moved("mean", 2, 0) is None
    assert moved("flat", 2, 0) is None


def test_a_grid_in_another_order_of_axes_moves_along_its_own_axes() -> None:
    assert NETWORK.sights["float"] is not None
    found = moved("float", 3, -2)
    assert found is not None
    assert (found.cells, found.interior, found.interior_cells) == ((-2, 3), 0, (SIDE - 3) * (SIDE - 2))


def test_averages_move_along_as_maxima_do() -> None:
    found = moved("conv2", 2, 2, opened(pooled("AveragePool")))
    assert found is not None
    assert found.interior is not None
    assert found.interior < 1e-6
