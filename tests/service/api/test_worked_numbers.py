"""The numbers worked by hand in the lecture notes, through the real endpoints, on a tiny model with that filter."""

from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import onnx
import pytest
from onnx import helper

from service.settings import Settings
from tests import tiny_models
from tests.service.api.conftest import png, put, ready

X = [[5, 1, 7, 13], [15, 5, 1, 13], [10, 6, 4, 6], [15, 3, 12, 4]]
FILTER = [[11, 4], [5, 2]]
MAP = [[2, 3, 2, 0], [5, -2, 2, 8], [-1, -6, 7, 3], [-4, -5, 4, 2]]
SHIFT = 10  # a picture has no negative pixels: they are sent higher and lowered inside the graph


def node(operator: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(operator, inputs, [output], name=output, **attributes)


def network(shift: float) -> onnx.ModelProto:
    """Every operation of the notes side by side on one grey 4x4 picture, lowered by `shift`."""
    window, pool = {"kernel_shape": [2, 2]}, {"kernel_shape": [2, 2], "strides": [2, 2]}
    nodes = [
        node("Cast", ["image"], "float", to=tiny_models.FLOAT),
        node("Transpose", ["float"], "nchw", perm=[0, 3, 1, 2]),
        node("Sub", ["nchw", "shift"], "x"),
        node("Conv", ["x", "filter"], "stride_1", **window),
        node("Conv", ["x", "filter"], "stride_2", strides=[2, 2], **window),
        node("Conv", ["x", "filter"], "padded", pads=[1, 1, 1, 1], **window),
        node("Conv", ["x", "filter"], "padded_2", pads=[2, 2, 2, 2], **window),
        node("MaxPool", ["x"], "max", **pool),
        node("AveragePool", ["x"], "average", **pool),
        node("LpPool", ["x"], "l2", p=2, **pool),
    ]
    weights = {"shift": np.array(shift), "filter": np.array(FILTER)[None, None]}
    size: list[int | str] = ["n", 1, "h", "w"]
    outputs = [(name, tiny_models.FLOAT, size) for step in nodes[3:] for name in step.output]
    return tiny_models.model(nodes, weights, ("image", tiny_models.UINT8, ["n", 4, 4, 1]), *outputs)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("worked")
    put(folder, "notes", network(0))
    put(folder, "lowered", network(SHIFT))
    with ready(Settings(models=folder, provider="cpu")) as client:
        yield client


def feature_map(client: httpx.Client, model: str, picture: list[list[int]], layer: str) -> list[list[float]]:
    url = f"/v1/models/{model}/feature-maps?layers={layer}&values=true"
    answer = client.post(url, content=png(np.array(picture, np.uint8))).json()
    rows: list[list[float]] = answer["results"][0]["layers"][0]["values"][0][0]
    return rows


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        ("conv_1", [[144, 66, 160], [247, 97, 95], [215, 121, 136]]),
        ("conv_2", [[144, 160], [215, 136]]),  # the note prints 316 for the last one: 11*4 + 4*6 + 5*12 + 2*4 = 136
        ("max_pool_1", [[15, 13], [15, 12]]),
    ],
)
def test_convolution_and_pooling_of_the_notes(client: httpx.Client, layer: str, expected: list[list[float]]) -> None:
    assert feature_map(client, "notes", X, layer) == expected


def test_zero_padding_of_the_notes(client: httpx.Client) -> None:
    rows = feature_map(client, "notes", X, "conv_3")
    assert (len(rows), len(rows[0])) == (5, 5)
    assert rows[0] == [10, 27, 19, 61, 65]
    assert rows[1][0] == 50


@pytest.mark.parametrize(
    ("layer", "expected"),
    [("max_pool_1", [[5, 8], [-1, 7]]), ("average_pool_1", [[2, 3], [-4, 4]])],
)
def test_pooling_of_a_map_with_negative_values(client: httpx.Client, layer: str, expected: list[list[float]]) -> None:
    raised = [[value + SHIFT for value in row] for row in MAP]
    assert feature_map(client, "lowered", raised, layer) == expected


def test_l2_pooling_is_the_root_of_the_sum_of_squares(client: httpx.Client) -> None:
    assert feature_map(client, "notes", X, "lp_pool_1")[0][0] == pytest.approx((5**2 + 1 + 15**2 + 5**2) ** 0.5)


@pytest.mark.parametrize(
    ("layer", "size", "formula"),
    [
        ("conv_1", 3, "floor((4 - 2)/1) + 1 = 3"),
        ("conv_2", 2, "floor((4 - 2)/2) + 1 = 2"),
        ("conv_3", 5, "floor((4 + 2*1 - 2)/1) + 1 = 5"),
        ("conv_4", 7, "floor((4 + 2*2 - 2)/1) + 1 = 7"),
    ],
)
def test_sizes_of_the_notes_with_their_formula(client: httpx.Client, layer: str, size: int, formula: str) -> None:
    table = client.get("/v1/models/notes/layer-shapes").json()["layers"]
    (row,) = [row for row in table if layer in (row["id"], *row["aliases"])]
    assert row["output_shape"] == [1, 1, size, size]
    assert row["formula"] == [formula]
