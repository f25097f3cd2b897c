import base64
import json
from pathlib import Path

import httpx
import numpy as np
import onnxruntime as ort
import pytest

from service.engine.probabilities import softmax
from tests.service.api.conftest import NAMES, pixels, png

URL = "/v1/models/grey/classify"
PICTURE = png(pixels())


def logits_of(repository: Path, *pictures: np.ndarray) -> np.ndarray:
    session = ort.InferenceSession(repository / "grey" / "1" / "model.onnx")
    (logits,) = session.run(None, {"image": np.stack(pictures)[..., None]})
    return np.asarray(logits)


def test_the_answer_is_the_networks_own_with_names_and_calibrated_probabilities(
    client: httpx.Client, repository: Path
) -> None:
    answer = client.post(f"{URL}?top=4", files={"file": PICTURE}).json()
    logits = logits_of(repository, pixels())[0]
    order = np.argsort(-logits)
    predictions = answer["results"][0]["predictions"]
    assert [p["index"] for p in predictions] == order.tolist()
    assert [p["label"] for p in predictions] == [NAMES[i] for i in order]
    assert [p["logit"] for p in predictions] == pytest.approx(logits[order], abs=1e-5)
    assert [p["probability"] for p in predictions] == pytest.approx(softmax(logits[None] / 2)[0][order], abs=1e-5)
    assert (answer["model"], answer["version"], answer["temperature"], answer["assumed"]) == ("grey", 1, 2.0, [])


def test_multipart_raw_body_and_json_give_the_same_answer(client: httpx.Client) -> None:
    encoded = base64.b64encode(PICTURE).decode()
    answers = [
        client.post(URL, files={"file": PICTURE}),
        client.post(URL, content=PICTURE, headers={"Content-Type": "image/png"}),
        client.post(URL, content=PICTURE, headers={"Content-Type": "application/x-www-form-urlencoded"}),
        client.post(URL, content=PICTURE),
        client.post(URL, json={"images": [encoded]}),
        client.post(URL, json={"images": [f"data:image/png;base64,{encoded}"]}),
    ]
    assert [answer.status_code for answer in answers] == [200] * 6
    predictions = [answer.json()["results"][0]["predictions"] for answer in answers]
    assert all(prediction == predictions[0] for prediction in predictions)


def test_each_of_many_images_has_its_own_answer_or_its_own_error(client: httpx.Client, repository: Path) -> None:
    files = [
        ("file", ("a.png", png(pixels(1)))),
        ("file", ("broken.png", PICTURE[:60])),
        ("file", ("page.html", b"<html></html>")),
        ("file", ("b.png", png(pixels(2)))),
    ]
    answer = client.post(f"{URL}?top=1", files=files)
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [result["image"] for result in results] == ["a.png", "broken.png", "page.html", "b.png"]
    expected = logits_of(repository, pixels(1), pixels(2))
    assert results[0]["predictions"][0]["logit"] == pytest.approx(expected[0].max(), abs=1e-5)
    assert results[3]["predictions"][0]["logit"] == pytest.approx(expected[1].max(), abs=1e-5)
    assert results[1]["error"]["code"] == "image_corrupt"
    assert results[2]["error"]["code"] == "image_format_unsupported"


def test_an_output_that_already_is_a_distribution_has_no_logits(client: httpx.Client) -> None:
    predictions = client.post("/v1/models/probable/classify", content=PICTURE).json()["results"][0]["predictions"]
    assert [p["logit"] for p in predictions] == [None] * 4
    assert sum(p["probability"] for p in predictions) == pytest.approx(1, abs=1e-5)


def test_a_foreign_file_answers_and_says_what_was_assumed(client: httpx.Client) -> None:
    answer = client.post("/v1/models/foreign/classify?top=1", content=PICTURE).json()
    assert answer["assumed"] == ["class_names", "preprocessing"]
    assert answer["results"][0]["predictions"][0]["label"].startswith("class_")


def test_a_named_version_answers(client: httpx.Client) -> None:
    answer = client.post("/v1/models/grey/versions/1/classify", content=PICTURE)
    assert answer.json()["version"] == 1


def test_more_classes_than_there_are_gives_all(client: httpx.Client) -> None:
    assert len(client.post(f"{URL}?top=9999", content=PICTURE).json()["results"][0]["predictions"]) == len(NAMES)


def test_the_times_are_in_a_header_that_browsers_show(client: httpx.Client) -> None:
    timing = client.post(URL, content=PICTURE).headers["Server-Timing"]
    assert [part.split(";")[0] for part in timing.split(", ")] == ["decode", "queue", "inference"]


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"", {}, 422, "image_missing"),
        (b"<html></html>", {}, 415, "image_format_unsupported"),
        (PICTURE[:60], {}, 422, "image_corrupt"),
        (b"{", {"Content-Type": "application/json"}, 400, "body_malformed"),
        (b'{"images": []}', {"Content-Type": "application/json"}, 400, "body_malformed"),
        (b'{"images": ["%"]}', {"Content-Type": "application/json"}, 400, "body_malformed"),
        (b'{"images": [""]}', {"Content-Type": "application/json"}, 422, "image_empty"),
        (b"x", {"Content-Type": "multipart/form-data"}, 400, "body_malformed"),
        (b"x", {"Content-Type": "multipart/form-data; boundary=a"}, 400, "body_malformed"),
        (b"x" * 1_000_001, {}, 413, "body_too_large"),
    ],
)
def test_a_body_that_cannot_be_used_is_a_problem_with_a_remedy(
    client: httpx.Client, content: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    answer = client.post(URL, content=content, headers=headers)
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["remedy"]
    assert answer.json()["instance"] == URL


def test_a_body_without_a_stated_length_is_cut_at_the_limit(client: httpx.Client) -> None:
    answer = client.post(URL, content=(b"x" * 100_000 for _ in range(11)))
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert answer.headers["connection"] == "close"


def test_too_many_images_are_refused_whole(client: httpx.Client) -> None:
    as_json = client.post(URL, json={"images": ["eA=="] * 9})
    as_files = client.post(URL, files=[("file", ("x", b"x"))] * 9)
    for answer in (as_json, as_files):
        assert (answer.status_code, answer.json()["code"]) == (422, "too_many_images")


@pytest.mark.parametrize("query", ["top=0", "top=-1", "top=1.5", "top=a", "top=10001", "topk=3"])
def test_a_parameter_that_cannot_be_used_is_named_with_its_value(client: httpx.Client, query: str) -> None:
    answer = client.post(f"{URL}?{query}", content=PICTURE)
    assert (answer.status_code, answer.json()["code"]) == (422, "parameter_invalid")
    name, value = query.split("=")
    assert answer.json()["detail"].startswith(f"{name}='{value}' cannot be used")


def test_a_network_without_classes_says_what_it_can_do(client: httpx.Client) -> None:
    answer = client.post("/v1/models/upscaler/classify", content=PICTURE)
    assert (answer.status_code, answer.json()["code"]) == (422, "model_not_a_classifier")
    assert "feature-maps work" in answer.json()["remedy"]


def test_a_refused_model_file_says_its_reason_and_the_others_serve(client: httpx.Client) -> None:
    answer = client.post("/v1/models/broken/classify", content=PICTURE)
    assert (answer.status_code, answer.json()["code"]) == (503, "model_unavailable")
    assert "model_corrupt" in answer.json()["detail"]
    assert answer.headers["Retry-After"] == "1"


@pytest.mark.parametrize("name", ["gray", "..", "%2e%2e%2fgrey", "a%00b", "x" * 500, "__proto__"])
def test_an_unknown_model_is_a_404_that_names_the_known_ones(client: httpx.Client, name: str) -> None:
    answer = client.post(f"/v1/models/{name}/classify", content=PICTURE)
    assert answer.status_code == 404
    assert len(json.dumps(answer.json())) < 1000


@pytest.mark.parametrize("version", ["0", "2", "01", "-1", "latest", "1e3", str(2**63)])
def test_an_unknown_version_is_a_404_that_names_the_known_ones(client: httpx.Client, version: str) -> None:
    answer = client.post(f"/v1/models/grey/versions/{version}/classify", content=PICTURE)
    assert (answer.status_code, answer.json()["code"]) == (404, "version_unknown")
    assert answer.json()["remedy"] == "its versions: 1"
