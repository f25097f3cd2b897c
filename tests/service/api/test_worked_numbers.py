"""The numbers worked by hand in the lecture notes, through the real endpoints, on a tiny model with that filter."""

from collections.abc import Iterator
from pathlib import Path
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
        node("LpPool", ["x"], "l2_at_stride_1", p=2, kernel_shape=[2, 2], strides=[1, 1]),
        node("LpPool", ["x"], "l2_at_stride_3", p=2, kernel_shape=[2, 2], strides=[3, 3]),
        node("Conv", ["x", "filter", "bias"], "biased", **window),
        node("Conv", ["x", "filter"], "dilated", dilations=[2, 2], **window),
        node("ConvTranspose", ["x", "filter"], "transposed", strides=[2, 2], **window),
    ]
    weights = {"shift": np.array(shift), "filter": np.array(FILTER)[None, None], "bias": np.array([7])}
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


# --- the same numbers one at a time, with their sums


def one_unit(client: httpx.Client, model: str, picture: list[list[int]], layer: str, y: int, x: int) -> dict[str, Any]:
    url = f"/v1/models/{model}/layers/{layer}/unit?channel=0&y={y}&x={x}"
    answer = client.post(url, content=png(np.array(picture, np.uint8))).json()
    assert answer["agrees"] is True, answer
    assert answer["runtime"] == pytest.approx(answer["value"], rel=1e-6)
    found: dict[str, Any] = answer
    return found


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        ("conv_1", [[144, 66, 160], [247, 97, 95], [215, 121, 136]]),
        ("conv_2", [[144, 160], [215, 136]]),
        ("max_pool_1", [[15, 13], [15, 12]]),
    ],
)
def test_every_unit_of_the_notes_is_re_derived(client: httpx.Client, layer: str, expected: list[list[float]]) -> None:
    rows = range(len(expected))
    assert [[one_unit(client, "notes", X, layer, y, x)["value"] for x in rows] for y in rows] == expected


@pytest.mark.parametrize(
    ("layer", "place", "text"),
    [
        ("conv_1", (0, 0), "5*11 + 1*4 + 15*5 + 5*2 = 144"),
        ("conv_2", (1, 1), "4*11 + 6*4 + 12*5 + 4*2 = 136"),
        ("conv_3", (0, 0), "0*11 + 0*4 + 0*5 + 5*2 = 10"),
        ("conv_3", (1, 0), "0*11 + 5*4 + 0*5 + 15*2 = 50"),
        ("conv_5", (0, 0), "5*11 + 1*4 + 15*5 + 5*2 + 7 (bias) = 151"),
        ("conv_6", (0, 0), "5*11 + 7*4 + 10*5 + 4*2 = 141"),
        ("transposed_conv_1", (0, 1), "0*11 + 5*4 + 0*5 + 0*2 = 20"),
        ("max_pool_1", (0, 0), "max(5, 1, 15, 5) = 15"),
        ("lp_pool_1", (0, 0), "(5^2 + 1^2 + 15^2 + 5^2)^(1/2) = 16.6132"),
        ("lp_pool_2", (1, 1), "(5^2 + 1^2 + 6^2 + 4^2)^(1/2) = 8.83176"),
        ("lp_pool_3", (0, 0), "(5^2 + 1^2 + 15^2 + 5^2)^(1/2) = 16.6132"),
    ],
)
def test_a_unit_is_written_out_as_in_the_notes(
    client: httpx.Client, layer: str, place: tuple[int, int], text: str
) -> None:
    assert one_unit(client, "notes", X, layer, *place)["text"] == text


def test_zero_padding_is_marked_and_counts_nothing(client: httpx.Client) -> None:
    work = one_unit(client, "notes", X, "conv_3", 0, 0)["work"]
    assert work["patch"] == [[[None, None], [None, 5]]]
    assert work["products"] == [[[0, 0], [0, 10]]]
    assert work["reads"] == [[None, 0], [None, 0]]


def test_a_transposed_convolution_spreads_each_input_over_a_kernel(client: httpx.Client) -> None:
    values = [[one_unit(client, "notes", X, "transposed_conv_1", y, x)["value"] for x in (0, 1)] for y in (0, 1)]
    assert values == [[5 * weight for weight in row] for row in FILTER]


@pytest.mark.parametrize(
    ("layer", "place", "text"),
    [
        ("max_pool_1", (1, 0), "max((-1), (-6), (-4), (-5)) = -1"),
        ("max_pool_1", (0, 1), "max(2, 0, 2, 8) = 8"),
        ("average_pool_1", (0, 0), "(2 + 3 + 5 + (-2))/4 = 2"),
        ("average_pool_1", (1, 0), "((-1) + (-6) + (-4) + (-5))/4 = -4"),
    ],
)
def test_pools_of_the_map_with_negative_values(
    client: httpx.Client, layer: str, place: tuple[int, int], text: str
) -> None:
    raised = [[value + SHIFT for value in row] for row in MAP]
    assert one_unit(client, "lowered", raised, layer, *place)["text"] == text


def test_the_softmax_of_the_six_numbers(tmp_path: Path) -> None:
    """Sent as six pixels that a dense layer turns into the scores: a pixel holds no 720."""
    nodes = [
        node("Cast", ["image"], "float", to=tiny_models.FLOAT),
        node("Flatten", ["float"], "flat"),
        node("Gemm", ["flat", "hundredth"], "scores"),
        node("Softmax", ["scores"], "shares", axis=1),
    ]
    size: list[int | str] = ["n", 2, 3, 1]
    made = tiny_models.model(
        nodes,
        {"hundredth": np.diag([0.01, 0.02, 0.01, 0.04, 0.01, 0.01])},
        ("image", tiny_models.UINT8, size),
        ("shares", tiny_models.FLOAT, ["n", 6]),
    )
    put(tmp_path, "six", made)
    scores = [0.87, 3.2, 0.31, 7.2, 1.2, 0.4]
    pixels = png(np.array([[87, 160, 31], [180, 120, 40]], np.uint8))
    with ready(Settings(models=tmp_path, provider="cpu")) as client:
        answers = [
            client.post(f"/v1/models/six/layers/softmax_1/unit?channel={unit}", content=pixels).json()
            for unit in range(6)
        ]
    assert all(answer["agrees"] for answer in answers)
    shares = [1.7e-3, 1.8e-2, 9.9e-4, 0.98, 2.4e-3, 1.1e-3]
    assert [answer["value"] for answer in answers] == pytest.approx(shares, rel=0.03)
    assert [answer["work"]["score"] for answer in answers] == pytest.approx(scores, rel=1e-6)
    share = np.exp(7.2) / np.exp(scores).sum()
    assert answers[3]["text"] == f"e^7.2/(e^0.87 + e^3.2 + e^0.31 + e^7.2 + e^1.2 + e^0.4) = {share:.6g}"
    assert -np.log(answers[3]["value"]) == pytest.approx(-np.log(0.98), abs=0.005)


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
