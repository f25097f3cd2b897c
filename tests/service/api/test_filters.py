import io
import json
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from PIL import Image

from service.settings import Settings
from tests import tiny_models
from tests.service.api.conftest import named, pixels, png, put, ready

URL = "/v1/models/twice/layers/conv/filters"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("versions")
    for version in (1, 2):
        put(folder, "twice", named(tiny_models.classifier(seed=version)), version)
    with ready(Settings(models=folder, provider="cpu")) as client:
        yield client


def test_statistics_of_the_default_version_and_where_the_rest_is(client: httpx.Client) -> None:
    answer = client.get(URL).json()
    assert (answer["model"], answer["version"], answer["layer"]) == ("twice", 2, "conv")
    assert answer["shape"] == [5, 3, 3, 3]
    assert len(answer["filters"]) == 5
    weight = np.load(io.BytesIO(client.get(answer["links"]["npy"]).content))
    assert answer["statistics"]["max"] == pytest.approx(float(weight.max()))
    assert set(np.load(io.BytesIO(client.get(answer["links"]["npz"]).content))) == {"weight", "bias"}


def test_two_versions_beside_each_other(client: httpx.Client) -> None:
    answer = client.get(URL, params={"with_version": 1}).json()
    assert answer["with_version"]["version"] == 1
    assert answer["change"]["relative_change"] > 0
    own = client.get("/v1/models/twice/versions/1/layers/conv/filters").json()
    assert answer["with_version"]["statistics"] == own["statistics"]


def test_the_picture_carries_its_legend_and_is_in_colour(client: httpx.Client) -> None:
    answer = client.get(URL, params={"format": "png", "with_version": 1})
    legend = json.loads(answer.headers["X-Legend"])
    assert (legend["colours"], legend["panels"]) == ("rgb", ["version 1", "version 2"])
    assert Image.open(io.BytesIO(answer.content)).mode == "RGB"


def test_the_same_layer_is_a_unit_too(client: httpx.Client) -> None:
    url = "/v1/models/twice/layers/conv/unit"
    answer = client.post(url, params={"channel": 4, "y": 0, "x": 7}, content=png(pixels())).json()
    assert (answer["model"], answer["version"], answer["layer"]) == ("twice", 2, "conv")
    weight = np.load(io.BytesIO(client.get(URL, params={"format": "npy"}).content))
    assert np.array(answer["work"]["kernel"]) == pytest.approx(weight[4])
    assert answer["agrees"] is True
    assert answer["receptive_field"]["clipped"] == {"top": 0, "left": 6, "bottom": 1, "right": 7}


@pytest.mark.parametrize(
    ("url", "status", "code"),
    [
        ("/v1/models/twice/layers/con/filters", 404, "layer_unknown"),
        ("/v1/models/none/layers/conv/filters", 404, "model_unknown"),
        (f"{URL}?with_version=9", 404, "version_unknown"),
        (f"{URL}?with_version=-1", 422, "parameter_invalid"),
        (f"{URL}?format=jpeg", 422, "parameter_invalid"),
        (f"{URL}?format=png&page=2", 422, "parameter_invalid"),
        (f"{URL}?format=png&input_channel=3", 422, "parameter_invalid"),
        (f"{URL}?format=png&input_channel=1&filter=1", 422, "parameter_invalid"),
        (f"{URL}?channel=3", 422, "parameter_invalid"),
        ("/v1/models/twice/layers/relu_1/filters", 422, "parameter_invalid"),
    ],
)
def test_what_cannot_be_answered_is_a_problem_with_a_remedy(
    client: httpx.Client, url: str, status: int, code: str
) -> None:
    answer = client.get(url)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["remedy"]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("channel=5&y=0&x=0", 422, "parameter_invalid"),
        ("channel=0&y=8&x=0", 422, "parameter_invalid"),
        ("channel=0&y=0", 422, "parameter_invalid"),
        ("channel=-1&y=0&x=0", 422, "parameter_invalid"),
        ("channel=0&y=0&x=0&z=0", 422, "parameter_invalid"),
        ("channel=0&y=0&x=99999999999999999999", 422, "parameter_invalid"),
    ],
)
def test_a_place_that_is_not_there(client: httpx.Client, query: str, status: int, code: str) -> None:
    answer = client.post(f"/v1/models/twice/layers/conv/unit?{query}", content=png(pixels()))
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_unit_of_something_that_is_no_image(client: httpx.Client) -> None:
    answer = client.post("/v1/models/twice/layers/conv/unit?channel=0&y=0&x=0", content=b"<html></html>")
    assert (answer.status_code, answer.json()["code"]) == (415, "image_format_unsupported")
