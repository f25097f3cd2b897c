import io
import json

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.service.api.conftest import pixels, png

URL = "/v1/models/grey/class-activation"
PICTURE = png(pixels())


def ask(client: httpx.Client, url: str = URL, **asked: str) -> httpx.Response:
    return client.post(url, params=asked, files={"file": PICTURE})


def test_the_evidence_is_for_the_class_that_classify_answers(client: httpx.Client) -> None:
    best = client.post("/v1/models/grey/classify?top=1", content=PICTURE).json()["results"][0]["predictions"][0]
    found = ask(client).json()
    assert (found["model"], found["version"], found["method"]) == ("grey", 1, "cam")
    assert (found["class"]["label"], found["class"]["index"]) == (best["label"], best["index"])
    assert found["class"]["score"] == pytest.approx(best["logit"], rel=1e-5)
    assert found["class"]["probability"] == pytest.approx(best["probability"], rel=1e-5)
    assert np.array(found["values"]).shape == (8, 8)


def test_probabilities_of_a_file_that_ends_in_softmax_are_classifys_too(client: httpx.Client) -> None:
    best = client.post("/v1/models/probable/classify?top=1", content=PICTURE).json()["results"][0]["predictions"][0]
    explained = ask(client, "/v1/models/probable/class-activation").json()["class"]
    assert (explained["index"], explained["quantity"]) == (best["index"], "logit")
    assert explained["probability"] == pytest.approx(best["probability"], rel=1e-5)


def test_a_class_is_named_or_numbered(client: httpx.Client) -> None:
    assert ask(client, **{"class": "cat"}).json()["class"]["index"] == 2
    assert ask(client, **{"class": "3"}).json()["class"]["label"] == "dog"


@pytest.mark.parametrize("method", ["cam", "grad-cam", "ablation", "eigen", "occlusion"])
def test_every_method_answers_in_every_form_with_the_same_map(client: httpx.Client, method: str) -> None:
    found = ask(client, method=method).json()
    values = np.load(io.BytesIO(ask(client, method=method, format="npy").content))
    archive = dict(np.load(io.BytesIO(ask(client, method=method, format="npz").content)))
    scale = float(np.abs(values).max())
    for other in (np.array(found["values"]), archive["map"]):
        assert other == pytest.approx(values, abs=0.01 * scale)
    assert ("weights" in archive) is (found["channels"] is not None)
    assert Image.open(io.BytesIO(ask(client, method=method, format="png").content)).format == "PNG"


def test_the_picture_lays_the_map_where_the_network_looked(client: httpx.Client) -> None:
    answer = ask(client, format="png")
    legend = json.loads(answer.headers["X-Legend"])
    assert (legend["rows"], legend["columns"]) == (8, 8)
    assert legend["title"].startswith("cam of relu_1 for ")
    assert ask(client).json()["on_picture"] == {"centre": [0, 0], "jump": [1, 1], "stretched": False}


def test_numbers_come_at_the_pictures_resolution_where_asked(client: httpx.Client) -> None:
    asked = {"method": "occlusion", "patch": "4", "stride": "4", "format": "npy"}
    coarse = np.load(io.BytesIO(ask(client, **asked).content))
    fine = np.load(io.BytesIO(ask(client, **asked, resolution="picture").content))
    assert (coarse.shape, fine.shape) == ((2, 2), (8, 8))
    assert fine[0, 0] == pytest.approx(coarse[0, 0])
    # Half-way between two patches' centres, at 1.5 and 5.5, is the pixel between 3 and 4.
    assert (fine[0, 3] + fine[0, 4]) / 2 == pytest.approx(coarse[0].mean(), rel=1e-5)


def test_the_links_lead_to_the_same_map(client: httpx.Client) -> None:
    found = ask(client, **{"class": "cat", "relu": "false"}).json()
    values = np.load(io.BytesIO(client.post(found["links"]["npy"], files={"file": PICTURE}).content))
    assert values == pytest.approx(np.array(found["values"]), rel=1e-5)
    assert client.post(found["links"]["png"], files={"file": PICTURE}).headers["content-type"] == "image/png"


def test_a_network_without_classes_is_a_422_and_eigen_works(client: httpx.Client) -> None:
    url = "/v1/models/upscaler/class-activation"
    assert (ask(client, url).status_code, ask(client, url).json()["code"]) == (422, "model_not_a_classifier")
    assert ask(client, url, method="eigen").json()["class"] is None


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("class=catt", 422, "parameter_invalid"),
        ("layer=rel_1", 404, "layer_unknown"),
        ("layer=dense", 422, "parameter_invalid"),
        ("method=score-cam", 422, "parameter_invalid"),
        ("method=occlusion&patch=0", 422, "parameter_invalid"),
        ("methods=cam", 422, "parameter_invalid"),
    ],
)
def test_a_question_that_cannot_be_answered_is_a_problem_with_a_remedy(
    client: httpx.Client, query: str, status: int, code: str
) -> None:
    answer = client.post(f"{URL}?{query}", content=PICTURE)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["remedy"]
