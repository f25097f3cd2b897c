"""The exact answers of the protocol, asked by a plain HTTP client."""

import base64
import json
import struct
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.app import create_app
from service.settings import Settings
from tests.service.api.conftest import pixels, png, served, until
from tests.service.api.test_classify import logits_of
from tests.service.engine.conftest import Gate, images

URL = "/v2/models/grey/infer"
LENGTH = "Inference-Header-Content-Length"
PICTURE = png(pixels())
VALUES = pixels().ravel().tolist()


def request(**changes: Any) -> dict[str, Any]:
    """A good infer request of one picture as JSON, with changes to its only input."""
    return {"inputs": [{"name": "image", "shape": [1, 8, 8, 1], "datatype": "UINT8", "data": VALUES, **changes}]}


def with_binary(head: dict[str, Any], data: bytes) -> tuple[bytes, dict[str, str]]:
    text = json.dumps(head).encode()
    return text + data, {LENGTH: str(len(text))}


def scores(answer: httpx.Response) -> list[float]:
    assert answer.status_code == 200, answer.text
    found: list[float] = answer.json()["outputs"][0]["data"]
    return found


@pytest.fixture(scope="module")
def logits(repository: Path) -> Any:
    return pytest.approx(logits_of(repository, pixels())[0], rel=1e-5, abs=1e-3)


def test_a_json_answer_has_every_field_that_clients_read(client: httpx.Client, logits: Any) -> None:
    answer = client.post(URL, json={"id": "7", "model_name": "grey", **request()})
    assert answer.headers["content-type"] == "application/json"
    assert LENGTH not in answer.headers
    assert answer.json() == {
        "model_name": "grey",
        "model_version": "1",
        "id": "7",
        "outputs": [{"name": "logits", "datatype": "FP32", "shape": [1, 4], "data": logits}],
    }


@pytest.mark.parametrize("content_type", ["", "application/octet-stream", "text/plain"])
def test_the_content_type_decides_nothing(client: httpx.Client, logits: Any, content_type: str) -> None:
    sent = json.dumps(request()).encode()
    assert scores(client.post(URL, content=sent, headers={"Content-Type": content_type})) == logits


def test_nested_data_and_the_versioned_path(client: httpx.Client, logits: Any) -> None:
    nested = request(data=pixels().reshape(1, 8, 8, 1).tolist())
    assert scores(client.post("/v2/models/grey/versions/1/infer", json=nested)) == logits


def test_images_in_json_are_base64(client: httpx.Client, logits: Any) -> None:
    text = base64.b64encode(PICTURE).decode()
    for element in (text, f"data:image/png;base64,{text}"):
        assert scores(client.post(URL, json=request(datatype="BYTES", shape=[1], data=[element]))) == logits
    said_so = request(datatype="BYTES", shape=[1, 1], data=[[text]], parameters={"content_type": "base64"})
    assert scores(client.post(URL, json=said_so)) == logits


@pytest.mark.parametrize("body", [PICTURE, pixels().tobytes()])
def test_a_length_of_zero_says_that_the_body_is_one_image_or_one_tensor(
    client: httpx.Client, logits: Any, body: bytes
) -> None:
    answer = client.post(URL, content=body, headers={LENGTH: "0"})
    assert answer.headers["content-type"] == "application/octet-stream"
    head, data = answer.content[: int(answer.headers[LENGTH])], answer.content[int(answer.headers[LENGTH]) :]
    assert json.loads(head)["outputs"] == [
        {"name": "logits", "datatype": "FP32", "shape": [1, 4], "parameters": {"binary_data_size": 16}}
    ]
    assert list(struct.unpack("<4f", data)) == logits


def test_an_outputs_own_wish_goes_before_the_requests(client: httpx.Client) -> None:
    both = {"parameters": {"binary_data_output": True}, **request()}
    assert LENGTH in client.post(URL, json=both).headers
    both["outputs"] = [{"name": "logits", "parameters": {"binary_data": False}}]
    assert LENGTH not in client.post(URL, json=both).headers


def test_no_classes_asked_for_are_all_scores(client: httpx.Client, logits: Any) -> None:
    sent = {**request(), "outputs": [{"name": "logits", "parameters": {"classification": 0}}]}
    assert scores(client.post(URL, json=sent)) == logits


def test_parameters_are_not_echoed(client: httpx.Client) -> None:
    sent = {**request(parameters={"a": 1}), "parameters": {"priority": 2, "sequence_id": 3, "mine": "x"}}
    answer = client.post(URL, json=sent).json()
    assert "parameters" not in answer
    assert "parameters" not in answer["outputs"][0]


def test_a_deadline_of_the_request_that_passes_is_a_504_of_the_protocol(client: httpx.Client) -> None:
    answer = client.post(URL, json={**request(), "parameters": {"timeout": 1}})
    assert (answer.status_code, answer.headers["content-type"]) == (504, "application/json")
    assert answer.json() == {"error": "no answer within 1e-06 s; try again, or send fewer images per request"}


def test_health_is_the_json_that_kserve_reads(client: httpx.Client) -> None:
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    assert client.get("/v2/models/grey/ready").json() == {"name": "grey", "ready": True}
    assert "grey" in client.get("/v2/models").json()["models"]


def test_not_ready_is_503_and_alive(tmp_path: Path) -> None:
    with served(create_app(Settings(models=tmp_path, provider="cpu"))) as client:
        until(lambda: "holds no model file yet" in client.get("/health/ready").json()["reasons"][0])
        answer = client.get("/v2/health/ready")
        assert (answer.status_code, answer.json()) == (503, {"ready": False})
        assert client.get("/v2/health/live").status_code == 200


def test_the_index_can_be_limited_to_what_is_ready(client: httpx.Client) -> None:
    everything = {item["name"]: item for item in client.post("/v2/repository/index").json()}
    assert everything["broken"]["state"] == "UNAVAILABLE"
    assert "model_corrupt" in everything["broken"]["reason"]
    only_ready = client.post("/v2/repository/index", json={"ready": True}).json()
    assert [item["name"] for item in only_ready] == ["foreign", "grey", "probable", "upscaler"]
    answer = client.post("/v2/repository/index", content=b"[")
    assert (answer.status_code, answer.json()) == (
        400,
        {"error": 'the body cannot be read; send nothing, or {"ready": true}'},
    )


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/nowhere", 404),
        ("POST", "/v2/models/grey/generate", 404),
        ("POST", "/v2/models/grey/infer_stream", 404),
        ("POST", "/v2/logging", 404),
        ("GET", URL, 405),
        ("PUT", "/v2", 405),
    ],
)
def test_what_is_no_route_is_an_error_of_the_protocol(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
    assert "see GET /v2" in answer.json()["error"]
    assert ("allow" in answer.headers) == (status == 405)


def test_paths_that_only_begin_alike_keep_problem_json(client: httpx.Client) -> None:
    assert client.get("/v2beta").headers["content-type"] == "application/problem+json"


def test_an_unavailable_model_says_when_to_come_back(client: httpx.Client) -> None:
    answer = client.post("/v2/models/broken/infer", json=request())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "model_corrupt" in answer.json()["error"]


def test_a_full_queue_says_when_to_come_back(repository: Path) -> None:
    app = create_app(Settings(models=repository, provider="cpu", max_waiting_images=1))
    with served(app) as client:
        until(lambda: client.get("/v2/health/ready").status_code == 200)
        scheduler, held = app.state.services.scheduler, Gate()
        for _ in app.state.services.device.executors:
            scheduler.submit(held, images(0), 60.0)
            until(held.entered.is_set)
            held.entered.clear()
        waiting = scheduler.submit(held, images(0), 60.0)
        answer = client.post(URL, json=request())
        held.open.set()
        waiting.answer.result(10)
        failed = client.get("/v2/models/grey/stats").json()["model_stats"][0]["inference_stats"]["fail"]["count"]
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.json()["error"].startswith("1 images are waiting, which takes ")
    assert failed == 1
