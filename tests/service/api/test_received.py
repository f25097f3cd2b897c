import io

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.service.api.conftest import pixels, png

URL = "/v1/models/grey/received"
PICTURE = png(pixels())


def test_the_picture_is_what_the_network_was_given_pixel_by_pixel(client: httpx.Client) -> None:
    answer = client.post(URL, content=PICTURE)
    assert answer.headers["content-type"] == "image/png"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(answer.content))), pixels())


def test_a_large_picture_in_colours_arrives_small_and_grey(client: httpx.Client) -> None:
    colours = np.zeros((32, 16, 3), np.uint8)
    colours[:16, :, 0] = 255
    shown = np.asarray(Image.open(io.BytesIO(client.post(URL, content=png(colours)).content)))
    assert shown.shape == (8, 8)
    assert (shown[0, 0], shown[-1, -1]) == (76, 0)  # 0.299 * 255


def test_a_magnified_picture_is_the_same_in_squares(client: httpx.Client) -> None:
    shown = np.asarray(Image.open(io.BytesIO(client.post(URL, params={"magnification": 5}, content=PICTURE).content)))
    assert np.array_equal(shown, pixels().repeat(5, axis=0).repeat(5, axis=1))


def test_the_networks_input_has_the_numbers_that_its_first_layer_reads(client: httpx.Client) -> None:
    values = np.load(io.BytesIO(client.post(URL, params={"format": "npy"}, content=PICTURE).content))
    assert np.array_equal(values, pixels()[None, :, :, None])
    foreign = client.post("/v1/models/foreign/received", params={"format": "npy"}, content=PICTURE)
    normalised = np.load(io.BytesIO(foreign.content))
    assert (normalised.shape, normalised.dtype) == ((1, 3, 8, 8), np.float32)
    assert normalised[0, 0] == pytest.approx((pixels() / 255 - 0.485) / 0.229, abs=1e-5)


def test_what_was_done_is_said_with_its_numbers(client: httpx.Client) -> None:
    answer = client.post("/v1/models/foreign/received", params={"format": "json"}, content=png(pixels(side=20))).json()
    assert (answer["model"], answer["version"]) == ("foreign", 1)
    assert (answer["sent"], answer["received"]) == ({"width": 20, "height": 20}, {"width": 8, "height": 8})
    assert answer["resize"] == "the middle 20x20 of 20x20 pixels was cut out and brought to 8x8, bilinear interpolation"
    assert answer["preprocessing"]["mean"] == [0.485, 0.456, 0.406]
    assert "preprocessing" in " ".join(answer["assumed"]) or answer["assumed"]
    assert answer["input"]["shape"] == [1, 3, 8, 8]
    assert answer["input"]["min"] < 0 < answer["input"]["max"]


@pytest.mark.parametrize(
    ("query", "status"),
    [("magnification=65", 422), ("magnification=0", 422), ("format=jpeg", 422), ("layers=conv", 422)],
)
def test_a_question_that_cannot_be_answered_is_a_problem(client: httpx.Client, query: str, status: int) -> None:
    answer = client.post(f"{URL}?{query}", content=PICTURE)
    assert (answer.status_code, answer.json()["code"]) == (status, "parameter_invalid")


def test_a_bad_image_is_the_same_error_as_in_classify(client: httpx.Client) -> None:
    assert client.post(URL, content=b"<html></html>").json()["code"] == "image_format_unsupported"
    assert client.post(URL, json={"images": ["eA==", "eA=="]}).json()["code"] == "too_many_images"
