import io
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from service.settings import Settings
from tests.service.api.conftest import pixels, png, ready

URL = "/v1/models/grey/feature-maps"
PICTURE = png(pixels())


def layers_of(answer: httpx.Response) -> list[dict[str, Any]]:
    (result,) = answer.json()["results"]
    return list(result["layers"])


def numbers(client: httpx.Client, layers: str) -> dict[str, np.ndarray]:
    answer = client.post(URL, params={"layers": layers, "format": "npz"}, content=PICTURE)
    return dict(np.load(io.BytesIO(answer.content)))


def test_every_layer_is_described_by_default_in_the_networks_order(client: httpx.Client) -> None:
    answer = client.post(URL, files={"file": PICTURE})
    assert (answer.json()["model"], answer.json()["version"]) == ("grey", 1)
    found = layers_of(answer)
    assert [layer["kind"] for layer in found][-5:] == ["conv", "relu", "global_average_pool", "flatten", "dense"]
    assert found[-5]["statistics"]["shape"] == [1, 5, 8, 8]


def test_statistics_numbers_and_the_next_layer_agree(client: httpx.Client) -> None:
    found = numbers(client, "conv,relu")
    assert np.array_equal(found["relu_1"], np.maximum(found["conv"], 0))
    (layer,) = layers_of(client.post(URL, params={"layers": "relu"}, content=PICTURE))
    assert layer["statistics"]["max"] == pytest.approx(float(found["relu_1"].max()))
    assert layer["statistics"]["zeros"] == pytest.approx(float((found["relu_1"] == 0).mean()))


def test_the_last_layer_is_what_the_classifier_answers(client: httpx.Client) -> None:
    best = client.post("/v1/models/grey/classify?top=1", content=PICTURE).json()["results"][0]["predictions"][0]
    assert numbers(client, "dense")["dense"].max() == pytest.approx(best["logit"], rel=1e-5)


def test_values_and_channels_come_where_they_are_asked_for(client: httpx.Client) -> None:
    query = {"layers": "conv", "values": "true", "channels": "true"}
    (layer,) = layers_of(client.post(URL, params=query, content=PICTURE))
    assert np.array(layer["values"]) == pytest.approx(numbers(client, "conv")["conv"])
    assert [channel["channel"] for channel in layer["channels"]] == [0, 1, 2, 3, 4]


def test_the_links_of_a_layer_lead_to_its_picture_and_its_numbers(client: httpx.Client) -> None:
    (layer,) = layers_of(client.post(URL, params={"layers": "conv"}, content=PICTURE))
    assert client.post(layer["links"]["npz"], content=PICTURE).headers["content-type"] == "application/zip"
    assert client.post(layer["links"]["png"], content=PICTURE).headers["content-type"] == "image/png"


def test_a_picture_carries_its_legend(client: httpx.Client) -> None:
    answer = client.post(URL, params={"layers": "conv", "format": "png"}, content=PICTURE)
    legend = json.loads(answer.headers["X-Legend"])
    assert legend["colormap"] == "diverging"
    assert legend["low"] == -legend["high"]
    picture = Image.open(io.BytesIO(answer.content))
    assert (picture.format, legend["channels"], legend["title"]) == ("PNG", [0, 1, 2, 3, 4], "grey 1: conv")


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
        ("layers=conv,relu&format=npy", 422, "parameter_invalid"),
        ("layers=conv&activation=during", 422, "parameter_invalid"),
        ("layers=conv&channel=5&format=npz", 422, "parameter_invalid"),
        ("layers=conv&format=png&low=1", 422, "parameter_invalid"),
        ("layers=conv&format=png&overlay=true", 422, "parameter_invalid"),
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


def test_several_images_have_a_result_each_under_their_names(client: httpx.Client) -> None:
    files = [("file", (f"{seed}.png", png(pixels(seed)))) for seed in range(2)]
    answer = client.post(URL, params={"layers": "conv"}, files=[*files, ("file", ("bad.png", b"<html>"))]).json()
    assert [result["image"] for result in answer["results"]] == ["0.png", "1.png", "bad.png"]
    assert answer["results"][2]["error"]["code"] == "image_format_unsupported"
    assert answer["together"][0]["statistics"]["images"] == 2
    stacked = client.post(URL, params={"layers": "conv", "format": "npy"}, files=files)
    assert stacked.headers["content-disposition"] == 'attachment; filename="conv.npy"'
    assert np.load(io.BytesIO(stacked.content)).shape == (2, 5, 8, 8)


def test_more_images_than_allowed_are_refused(client: httpx.Client) -> None:
    answer = client.post(URL, json={"images": ["eA=="] * 9})
    assert (answer.status_code, answer.json()["code"]) == (422, "too_many_images")


def test_an_answer_that_would_be_too_large_names_the_url_that_works(repository: Path) -> None:
    with ready(Settings(models=repository, max_answer_bytes=1500, provider="cpu")) as small:
        answer = small.post(URL, params={"layers": "*", "format": "npz", "activation": "after"}, content=PICTURE)
        assert (answer.status_code, answer.json()["code"]) == (413, "answer_too_large")
        url = answer.json()["remedy"].split()[4]
        assert "activation=after" in url
        assert small.post(url, content=PICTURE).headers["content-type"] == "application/zip"


def test_the_time_of_each_phase_is_in_a_header(client: httpx.Client) -> None:
    timing = client.post(URL, params={"layers": "conv"}, content=PICTURE).headers["Server-Timing"]
    assert [phase.partition(";dur=")[0] for phase in timing.split(", ")] == ["decode", "inference", "packing"]
    assert all(float(phase.partition(";dur=")[2]) > 0 for phase in timing.split(", "))
