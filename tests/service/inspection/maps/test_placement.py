"""Where a map's cells are said to lie, against which rows and columns of pixels change them."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from service.errors import InvalidParameterError
from service.inspection.maps.placement import placement, spatial_axes
from service.inspection.network import Network
from tests.inspected import network as opened
from tests.networks import chain, conv, dense, plain, pool
from tests.networks import network as graph

SIDE = (1, 1, 47, 62)  # neither side is a multiple of any step


def strided() -> onnx.ModelProto:
    """Asymmetric padding, two strides, a dilation and remainders: the map of the last layer is far from stretched."""
    stages = [
        conv("conv1", 4, 1, 5, strides=[2, 2], pads=[0, 1, 1, 2]),
        pool("pool1", 3, 2, "AveragePool"),
        conv("conv2", 3, 4, 3, dilations=[1, 2], pads=[1, 2, 1, 2]),
        plain("GlobalAveragePool", "pooled"),
        plain("Flatten", "flatten"),
        dense("fc", 3, 2),
    ]
    return chain(stages, SIDE)


def channels_last() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["conv"], kernel_shape=[4, 3], strides=[3, 2]),
        helper.make_node("Transpose", ["conv"], ["nhwc"], perm=[0, 2, 3, 1]),
        helper.make_node("Relu", ["nhwc"], ["relu"]),
    ]
    return graph(nodes, {"image": SIDE}, ["relu"], weights={"w": (3, 1, 4, 3)})


def middles_of_what_is_seen(network: Network, tensor: str, axis: int) -> np.ndarray:
    """For each cell along this axis of the picture the middle of the pixels that change it; NaN at the borders."""
    image = np.random.default_rng(0).uniform(1, 2, SIDE[1:]).astype(np.float32)
    before = network.values([tensor], image)[tensor]
    seen = []
    for pixel in range(SIDE[2 + axis]):
        other = image.copy()
        other.swapaxes(0, 1 + axis)[pixel] += 50
        changed = network.values([tensor], other)[tensor] != before
        seen.append(np.asarray(changed).any(axis=(0, 1, 3 - axis)))
    ends = [np.flatnonzero(cell)[[0, -1]] for cell in np.transpose(seen)]
    extents = np.diff(ends)[:, 0]
    return np.where(extents == extents.max(), np.mean(ends, axis=1), np.nan)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("layer", ["conv1", "average_pool_1", "conv2"])
def test_a_cell_lies_in_the_middle_of_the_pixels_that_change_it(layer: str, axis: int) -> None:
    network = opened(strided())
    where = placement(network, network.layer(layer))
    found = middles_of_what_is_seen(network, network.layer(layer).output, axis)
    cells = np.flatnonzero(np.isfinite(found))
    assert len(cells) > 2
    assert found[cells] == pytest.approx(where.centre[axis] + cells * where.jump[axis])


def test_it_is_not_the_picture_stretched() -> None:
    network = opened(strided())
    where = placement(network, network.layer("conv2"))
    height = network.values(["conv2"], np.zeros(SIDE[1:], np.float32))["conv2"].shape[2]
    assert where.jump[0] != SIDE[2] / height
    assert where.centre[0] != where.jump[0] / 2 - 0.5


@pytest.mark.parametrize("layer", ["pooled", "flatten", "fc"])
def test_a_layer_that_sees_the_whole_picture_has_no_place_on_it(layer: str) -> None:
    network = opened(strided())
    found = next(candidate for candidate in network.layers if layer in (candidate.id, candidate.output))
    with pytest.raises(InvalidParameterError, match="it has no place on the picture: ask for a layer with a grid"):
        placement(network, found)


def test_paths_that_do_not_line_up_have_no_place() -> None:
    nodes = [
        helper.make_node("AveragePool", ["image"], ["coarse"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Slice", ["image", "starts", "ends", "axes"], ["part"]),
        helper.make_node("Concat", ["coarse", "part"], ["both"], axis=1),
    ]
    ends = {"starts": np.array([0, 0]), "ends": np.array([23, 31]), "axes": np.array([2, 3])}
    network = opened(graph(nodes, {"image": (1, 1, 46, 62)}, ["both"], values=ends))
    with pytest.raises(InvalidParameterError, match="layers='concat_1' cannot be used; it has no place"):
        placement(network, network.layer("concat_1"))


def test_a_map_with_its_channels_last_is_on_the_same_grid_along_other_axes() -> None:
    network = opened(channels_last())
    first, last = network.layer("conv_1"), network.layer("relu_1")
    assert placement(network, first) == placement(network, last)
    assert (spatial_axes(network, first), spatial_axes(network, last)) == ((-2, -1), (-3, -2))


def test_a_network_of_a_free_size_is_placed_on_the_size_it_is_given() -> None:
    stages = [conv("conv1", 2, 3, 3, strides=[2, 2])]
    network = opened(chain(stages, ("batch", 3, "h", "w"), TensorProto.FLOAT))
    assert placement(network, network.layer("conv1")).jump == (2, 2)
