import io
import json
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from service.settings import Settings
from tests import tiny_models
from tests.service.api.conftest import pixels, png, put, ready

URL = "/v1/models/grey/feature-maps"
PICTURE = png(pixels())


def numbers(client: httpx.Client, layers: str) -> dict[str, np.ndarray]:
    answer = client.post(URL, params={"layers": layers, "format": "npz"}, content=PICTURE)
    return dict(np.load(io.BytesIO(answer.content)))


def test_every_layer_is_described_by_default_in_the_networks_order(client: httpx.Client) -> None:
    answer = client.post(URL, files={"file": PICTURE}).json()
    assert (answer["model"], answer["version"]) == ("grey", 1)
    kinds = [layer["kind"] for layer in answer["layers"]]
    assert kinds[-5:] == ["conv", "relu", "global_average_pool", "flatten", "dense"]
    assert answer["layers"][-5]["statistics"]["shape"] == [1, 5, 8, 8]


def test_statistics_numbers_and_the_next_layer_agree(client: httpx.Client) -> None:
    found = numbers(client, "conv,relu")
    assert np.array_equal(found["relu_1"], np.maximum(found["conv"], 0))
    (layer,) = client.post(URL, params={"layers": "relu"}, content=PICTURE).json()["layers"]
    assert layer["statistics"]["max"] == pytest.approx(float(found["relu_1"].max()))
    assert layer["statistics"]["zeros"] == pytest.approx(float((found["relu_1"] == 0).mean()))


def test_the_last_layer_is_what_the_classifier_answers(client: httpx.Client) -> None:
    best = client.post("/v1/models/grey/classify?top=1", content=PICTURE).json()["results"][0]["predictions"][0]
    assert numbers(client, "dense")["dense"].max() == pytest.approx(best["logit"], rel=1e-5)


def test_values_and_channels_come_where_they_are_asked_for(client: httpx.Client) -> None:
    query = {"layers": "conv", "values": "true", "channels": "true"}
    (layer,) = client.post(URL, params=query, content=PICTURE).json()["layers"]
    assert np.array(layer["values"]) == pytest.approx(numbers(client, "conv")["conv"])
    assert [channel["channel"] for channel in layer["channels"]] == [0, 1, 2, 3, 4]


def test_the_links_of_a_layer_lead_to_its_picture_and_its_numbers(client: httpx.Client) -> None:
    (layer,) = client.post(URL, params={"layers": "conv"}, content=PICTURE).json()["layers"]
    assert client.post(layer["links"]["npz"], content=PICTURE).headers["content-type"] == "application/zip"
    assert client.post(layer["links"]["png"], content=PICTURE).headers["content-type"] == "image/png"


def test_a_picture_carries_its_legend(client: httpx.Client) -> None:
    answer = client.post(URL, params={"layers": "conv", "format": "png"}, content=PICTURE)
    legend = json.loads(answer.headers["X-Legend"])
    assert legend["colormap"] == "diverging"
    assert legend["low"] == -legend["high"]
    picture = Image.open(io.BytesIO(answer.content))
    assert (picture.format, legend["first_channel"], legend["last_channel"]) == ("PNG", 0, 4)


def test_a_picture_of_units_is_a_grid_of_cells(client: httpx.Client) -> None:
    answer = client.post(URL, params={"layers": "dense", "format": "png", "scale": "channel"}, content=PICTURE)
    assert json.loads(answer.headers["X-Legend"])["mode"] == "channel"


def test_a_foreign_network_and_one_without_classes_show_their_maps(client: httpx.Client) -> None:
    for model, layer in (("foreign", "conv"), ("upscaler", "conv")):
        answer = client.post(f"/v1/models/{model}/feature-maps?layers={layer}", content=PICTURE)
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("layers=con_1", 404, "layer_unknown"),
        ("layers=", 404, "layer_unknown"),
        ("layers=conv,relu&format=png", 422, "parameter_invalid"),
        ("layers=conv&format=png&page=2", 422, "parameter_invalid"),
        ("layers=conv&format=jpeg", 422, "parameter_invalid"),
        ("layers=conv&page=0", 422, "parameter_invalid"),
        ("layer=conv", 422, "parameter_invalid"),
        ("layers=" + "x" * 5000, 422, "parameter_invalid"),
    ],
)
def test_a_question_that_cannot_be_answered_is_a_problem_with_a_remedy(
    client: httpx.Client, query: str, status: int, code: str
) -> None:
    answer = client.post(f"{URL}?{query}", content=PICTURE)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["remedy"]


def test_an_unknown_layer_names_the_nearest(client: httpx.Client) -> None:
    answer = client.post(f"{URL}?layers=conf", content=PICTURE).json()
    assert answer["remedy"].startswith("nearest names: conv")


def test_a_bad_image_is_the_same_error_as_in_classify(client: httpx.Client) -> None:
    answer = client.post(URL, content=b"<html></html>")
    assert (answer.status_code, answer.json()["code"]) == (415, "image_format_unsupported")


def test_two_images_are_one_too_many(client: httpx.Client) -> None:
    answer = client.post(URL, json={"images": ["eA==", "eA=="]})
    assert (answer.status_code, answer.json()["code"]) == (422, "too_many_images")


def test_too_many_numbers_for_json_name_the_url_that_works(tmp_path: Path) -> None:
    put(tmp_path, "large", tiny_models.classifier(side=224))
    with ready(Settings(models=tmp_path, provider="cpu")) as client:
        query = {"layers": "conv", "values": "true"}
        answer = client.post("/v1/models/large/feature-maps", params=query, content=PICTURE)
        assert (answer.status_code, answer.json()["code"]) == (413, "answer_too_large")
        url = answer.json()["remedy"].split()[4].rstrip(",")
        assert client.post(url, content=PICTURE).headers["content-type"] == "application/zip"
