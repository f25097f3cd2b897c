"""The requests of KServe's client 0.21 as it sends them, and its reading of the answers.

Written after what its code put on the wire, so that it runs where the client is not installed; tests/kserve asks with
the client itself.
"""

import json
import struct
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.service.api.conftest import pixels
from tests.service.api.test_classify import logits_of
from tests.service.api.test_inference_protocol import PICTURE, URL

LENGTH = "inference-header-content-length"
ACCEPTED = {"Accept": "*/*", "Accept-Encoding": "gzip, deflate"}
TENSOR = {"name": "image", "shape": [1, 8, 8, 1], "datatype": "UINT8"}
IMAGE = {"name": "image", "shape": [1], "datatype": "BYTES"}


def infer(client: httpx.Client, sent: dict[str, Any], binary: bytes = b"", rows: int = 1, url: str = URL) -> Any:
    """Compact JSON with an id and the model's name; the header and octet-stream only where binary data follow."""
    text = json.dumps({"id": "d6239c93", "model_name": "grey", **sent}, separators=(",", ":")).encode()
    headers = {**ACCEPTED, "content-type": "application/json"}
    if binary:
        headers |= {"content-type": "application/octet-stream", LENGTH: str(len(text))}
    return read(client.post(url, content=text + binary * rows, headers=headers))


def read(answer: httpx.Response) -> Any:
    """As its `InferResponse.from_bytes`: without the header, all of the unpacked body is JSON."""
    if not answer.is_success:
        assert answer.headers["content-type"] == "application/json"
        raise ValueError(answer.json()["error"])
    length = int(answer.headers.get(LENGTH, len(answer.content)))
    found = json.loads(answer.content[:length])
    (output,) = found["outputs"]
    if "binary_data_size" in output.get("parameters", {}):
        size = output["parameters"]["binary_data_size"]
        output["data"] = list(struct.unpack(f"<{size // 4}f", answer.content[length : length + size]))
    return found["model_name"], found["id"], output["data"]


def sized(tensor: dict[str, Any], size: int) -> dict[str, Any]:
    return {**tensor, "parameters": {"binary_data_size": size}}


@pytest.fixture(scope="module")
def expected(repository: Path) -> tuple[str, str, Any]:
    return "grey", "d6239c93", pytest.approx(logits_of(repository, pixels())[0], rel=1e-5, abs=1e-3)


def test_a_tensor_in_json(client: httpx.Client, expected: Any) -> None:
    for data in (pixels().ravel().tolist(), pixels().reshape(1, 8, 8, 1).tolist()):
        assert infer(client, {"inputs": [{**TENSOR, "data": data}]}) == expected


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"parameters": {"binary_data_output": True}},
        {"outputs": [{"name": "logits", "parameters": {"binary_data": True}}]},
    ],
)
def test_a_binary_tensor_for_a_json_or_a_binary_answer(
    client: httpx.Client, expected: Any, wish: dict[str, Any]
) -> None:
    assert infer(client, {"inputs": [sized(TENSOR, 64)], **wish}, pixels().tobytes()) == expected


def test_an_encoded_image(client: httpx.Client, expected: Any) -> None:
    element = struct.pack("<I", len(PICTURE)) + PICTURE
    assert infer(client, {"inputs": [sized(IMAGE, len(element))]}, element) == expected


def test_null_stands_for_what_is_left_out(client: httpx.Client, expected: Any) -> None:
    tensor = {**TENSOR, "data": pixels().ravel().tolist()}
    nulls = {"inputs": [{**tensor, "parameters": None}], "outputs": None, "parameters": None}
    assert infer(client, nulls) == expected
    assert infer(client, {"inputs": [tensor], "outputs": [{"name": "logits", "parameters": None}]}) == expected


def test_a_large_answer_comes_compressed_and_is_read(client: httpx.Client) -> None:
    many = {**TENSOR, "shape": [200, 8, 8, 1], "parameters": {"binary_data_size": 200 * 64}}
    _, _, data = infer(client, {"inputs": [many]}, pixels().tobytes(), rows=200)
    assert len(data) == 200 * 4


def test_health_is_read_as_json_and_by_status(client: httpx.Client) -> None:
    assert client.get("/v2/health/live", headers=ACCEPTED).json().get("live") is True
    assert client.get("/v2/health/ready", headers=ACCEPTED).json().get("ready") is True
    assert client.get("/v2/models/grey/ready", headers=ACCEPTED).is_success
    assert not client.get("/v2/models/broken/ready", headers=ACCEPTED).is_success


def test_errors_are_read_where_the_content_type_is_json_and_nothing_more(client: httpx.Client) -> None:
    with pytest.raises(ValueError, match="has datatype 'FP32'; send UINT8"):
        infer(client, {"inputs": [{**TENSOR, "datatype": "FP32", "data": [0.0] * 64}]})
    with pytest.raises(ValueError, match="no model named 'gray'; loaded models: grey"):
        infer(client, {"inputs": [{**TENSOR, "data": [0] * 64}]}, url="/v2/models/gray/infer")
