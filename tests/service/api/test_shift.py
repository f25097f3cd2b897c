import io
import json
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.service.api.conftest import pixels, png

URL = "/v1/models/grey/shift"
VALUES = pixels()
PICTURE = png(VALUES)
MOVED = np.pad(VALUES, ((0, 0), (2, 0)))[:, :8]  # two to the right, black comes in


def shifted(client: httpx.Client, model: str = "grey", picture: bytes = PICTURE, **query: str) -> Any:
    answer = client.post(f"/v1/models/{model}/shift", params=query, content=picture)
    assert answer.status_code == 200, answer.text
    return answer.json()


def conv(client: httpx.Client, picture: bytes) -> np.ndarray:
    answer = client.post("/v1/models/grey/feature-maps?layers=conv&format=npz", content=picture)
    values: np.ndarray = np.load(io.BytesIO(answer.content))["conv"].astype(float)
    return values


def test_a_moved_picture_changes_a_layer_as_the_same_picture_moved_beforehand(client: httpx.Client) -> None:
    answer = shifted(client, dx="2", layers="conv", fill="zero")
    (layer,), (point,) = answer["layers"], answer["shifts"]
    before, after = conv(client, PICTURE), conv(client, png(MOVED))
    expected = np.linalg.norm(after - before) / np.linalg.norm(before)
    assert layer["changes"][0]["relative"] == pytest.approx(expected, rel=1e-5)
    was, becomes = VALUES.astype(float), MOVED.astype(float)
    assert point["input"]["relative"] == pytest.approx(np.linalg.norm(becomes - was) / np.linalg.norm(was))


@pytest.mark.parametrize("model", ["grey", "foreign"])  # the second one subtracts a mean: black is not 0 to it
def test_the_answer_is_that_of_classify_to_the_picture_moved_beforehand(client: httpx.Client, model: str) -> None:
    (point,) = shifted(client, model, dx="2", layers="conv", fill="zero")["shifts"]
    expected = client.post(f"/v1/models/{model}/classify", content=png(MOVED)).json()["results"][0]["predictions"]
    found = point["answer"]["predictions"]
    assert [p["label"] for p in found] == [p["label"] for p in expected]
    assert [p["probability"] for p in found] == pytest.approx([p["probability"] for p in expected], abs=1e-5)


def test_every_layer_is_told_by_default_with_its_jump(client: httpx.Client) -> None:
    answer = shifted(client)
    assert (answer["model"], answer["version"], answer["height"], answer["width"]) == ("grey", 1, 8, 8)
    assert [(p["dx"], p["dy"]) for p in answer["shifts"]] == [(1, 0)]
    assert [(layer["kind"], layer["jump"]) for layer in answer["layers"][-5:]] == [
        ("conv", [1, 1]),
        ("relu", [1, 1]),
        ("global_average_pool", None),
        ("flatten", None),
        ("dense", None),
    ]


def test_a_convolution_moves_along_and_a_global_average_hardly_changes(client: httpx.Client) -> None:
    layers = {layer["kind"]: layer["changes"][0] for layer in shifted(client, dx="1", dy="-1")["layers"]}
    found = layers["conv"]["equivariance"]
    assert found["cells"] == [-1, 1]
    assert found["interior"] < 1e-6 < found["overlap"]
    assert found["interior_cells"] == 5 * 5
    assert layers["global_average_pool"]["relative"] < 0.5 * layers["relu"]["relative"]
    assert layers["global_average_pool"]["equivariance"] is None


def test_a_picture_that_stays_where_it_is_changes_nothing(client: httpx.Client) -> None:
    answer = shifted(client, dx="0")
    assert {layer["changes"][0]["relative"] for layer in answer["layers"]} == {0}
    (point,) = answer["shifts"]
    assert point["answer"]["predictions"] == answer["original"]
    assert (point["answer"]["same_class"], point["answer"]["largest_change"]) == (True, 0)


def test_several_shifts_are_a_curve_for_each_layer(client: httpx.Client) -> None:
    answer = shifted(client, dx="1,2,4", layers="relu")
    assert [(p["dx"], p["dy"]) for p in answer["shifts"]] == [(1, 0), (2, 0), (4, 0)]
    (layer,) = answer["layers"]
    assert [change["dx"] for change in layer["changes"]] == [1, 2, 4]
    (alone,) = shifted(client, dx="2", layers="relu")["layers"][0]["changes"]
    assert layer["changes"][1] == alone


def test_each_dx_has_its_own_dy_or_all_have_one(client: httpx.Client) -> None:
    points = shifted(client, dx="1,-2", dy="3,0", layers="conv")["shifts"]
    assert [(p["dx"], p["dy"]) for p in points] == [(1, 3), (-2, 0)]
    points = shifted(client, dx="-1", dy="1,2", layers="conv")["shifts"]
    assert [(p["dx"], p["dy"]) for p in points] == [(-1, 1), (-1, 2)]


def test_the_original_class_is_followed_and_its_probability_told(client: httpx.Client) -> None:
    answer = shifted(client, dx="7", layers="dense", top="4")
    label = answer["original"][0]["label"]
    (point,) = answer["shifts"]
    chances = {p["label"]: p["probability"] for p in point["answer"]["predictions"]}
    assert point["answer"]["original_class_probability"] == pytest.approx(chances[label])
    assert point["answer"]["same_class"] == (point["answer"]["predictions"][0]["label"] == label)
    before = {p["label"]: p["probability"] for p in answer["original"]}
    expected = max(abs(chances[name] - before[name]) for name in before)
    assert point["answer"]["largest_change"] == pytest.approx(expected, abs=1e-6)


def test_a_softmax_in_the_graph_is_not_applied_again(client: httpx.Client) -> None:
    answer = shifted(client, "probable", png(pixels(0, 8)), layers="softmax", top="4")
    assert sum(p["probability"] for p in answer["original"]) == pytest.approx(1, abs=1e-5)
    expected = client.post("/v1/models/probable/classify", content=PICTURE).json()["results"][0]["predictions"]
    assert answer["original"][0]["probability"] == pytest.approx(expected[0]["probability"], abs=1e-5)


def test_a_network_without_classes_has_layers_and_no_answer(client: httpx.Client) -> None:
    answer = shifted(client, "upscaler", dx="1", layers="conv")
    assert (answer["original"], answer["shifts"][0]["answer"]) == (None, None)
    assert answer["layers"][0]["changes"][0]["equivariance"]["interior"] < 1e-6


def test_the_moved_picture_comes_as_a_png(client: httpx.Client) -> None:
    answer = client.post(URL, params={"dx": "2", "fill": "zero", "format": "png"}, content=PICTURE)
    picture = Image.open(io.BytesIO(answer.content))
    assert np.array_equal(np.asarray(picture), MOVED)
    assert json.loads(answer.headers["X-Legend"]) == {"dx": 2, "dy": 0, "fill": "zero", "height": 8, "width": 8}
    assert (picture.info["fovea.dx"], picture.info["fovea.fill"]) == ("2", "zero")


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ("dx=8", 422, "dx=8 cannot be used the network's picture is 8 pixels wide: give -7 to 7"),
        ("dx=1&dy=-8", 422, "dy=-8 cannot be used the network's picture is 8 pixels high: give -7 to 7"),
        ("dx=1.5", 422, "give whole numbers of pixels with commas between"),
        ("dx=", 422, "give whole numbers of pixels with commas between"),
        ("dx=1,,2", 422, "give whole numbers of pixels with commas between"),
        ("dx=999999999999", 422, "give whole numbers of pixels with commas between"),
        ("dx=1,2,3&dy=1,2", 422, "give one number, or 3 as for dx"),
        ("dx=" + ",".join(["1"] * 33), 422, "at most 32 shifts"),
        ("dx=1,2&format=png", 422, "a png shows one shift"),
        ("fill=wrap", 422, "'edge' or 'zero'"),
        ("layers=konv", 404, "nearest names: conv"),
        ("x=1", 422, "Extra inputs"),
    ],
)
def test_a_question_that_cannot_be_answered_says_what_would_do(
    client: httpx.Client, query: str, status: int, text: str
) -> None:
    answer = client.post(f"{URL}?{query}", content=PICTURE)
    assert answer.status_code == status, answer.text
    assert text in answer.json()["detail"] + " " + answer.json()["remedy"]


def test_a_bad_image_is_the_same_error_as_in_classify(client: httpx.Client) -> None:
    answer = client.post(URL, content=b"<html></html>")
    assert (answer.status_code, answer.json()["code"]) == (415, "image_format_unsupported")
