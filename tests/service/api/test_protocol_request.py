"""Infer requests nobody means well with."""

import base64
import json
from typing import Any

import httpx
import pytest

from service.api.protocol_request import parsed
from service.errors import MalformedBodyError
from tests.service.api.test_inference_protocol import LENGTH, PICTURE, URL, request, with_binary

BYTES = {"datatype": "BYTES", "shape": [1]}


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (b"", "the JSON cannot be read"),
        (b"[" * 100_000, "the JSON cannot be read"),
        (b'{"inputs": []}', "inputs cannot be read"),
        (b'{"id": "\\ud800", "inputs": []}', "the JSON cannot be read"),
        (b"\xff\xfe{}", "the JSON cannot be read"),
        ({"id": 7, **request()}, "id cannot be read"),
        ({"parameters": {"a": []}, **request()}, "parameters.a"),
        ({"parameters": {"timeout": "1"}, **request()}, "timeout='1' cannot be used; use microseconds"),
        ({"parameters": {"timeout": float("nan")}, **request()}, "timeout=nan cannot be used"),
        ({"parameters": {"binary_data_output": "yes"}, **request()}, "use true or false"),
        ({"outputs": [{"name": "x"}], **request()}, "the outputs asked for are 'x'; ask for 'logits' once"),
        ({"outputs": [{"name": "logits"}] * 2, **request()}, "ask for 'logits' once"),
        ({"outputs": [{"name": "logits", "parameters": {"classification": -1}}], **request()}, "classification=-1"),
        ({"outputs": [{"name": "logits", "parameters": {"classification": True}}], **request()}, "classification=True"),
        ({"outputs": {}, **request()}, "outputs cannot be read"),
        ({"outputs": [{"name": "logits", "parameters": {"shared_memory_region": "r"}}], **request()}, "not written"),
        (request(name="x" * 10_000), "send exactly one, named 'image'"),
        (request(datatype="FP32"), "send UINT8, or images as BYTES"),
        (request(datatype="STRING"), "send UINT8, or images as BYTES"),
        (request(shape=[8, 8, 1]), "the model takes [-1, 8, 8, 1]"),
        (request(shape=[0, 8, 8, 1], data=[]), "where -1 is 1 or more"),
        (request(shape=[-1, 8, 8, 1]), "inputs.0.shape.0 cannot be read"),
        (request(shape=[1.0, 8, 8, 1]), "inputs.0.shape.0 cannot be read"),
        (request(shape=[10**30, 8, 8, 1]), "inputs.0.shape.0 cannot be read"),
        (request(shape=[2**62, 8, 8, 1]), "64 elements for the shape"),
        (request(shape=[2, 8, 8, 1]), "64 elements for the shape [2, 8, 8, 1]; send 128 elements"),
        (request(data=[256] * 64), "outside UINT8"),
        (request(data=[None] * 64), "null"),
        (request(data=[[float("nan")] * 32, [1.5] * 32]), "another kind: float; send whole numbers"),
        (request(data=[[1] * 32, [float("nan")] * 32]), "another kind: float; send whole numbers"),
        (json.dumps(request()).encode().replace(b"]}]}", b".]}]}"), "no number in JSON, or a comma too many"),
        (request(data=None), "has no data, or has it twice; send it once"),
        (request(parameters={"binary_data_size": 64}), "has no data, or has it twice"),
        (request(parameters={"shared_memory_region": "r"}), "shared memory is not read here; send `data`"),
        (request(data=None, parameters={"binary_data_size": 64}), "0 bytes follow the JSON and binary_data_size is 64"),
        (request(data=["%"], **BYTES), "is not base64"),
        (request(data=["é"], **BYTES), "is not base64"),
        (request(data=[""], **BYTES), "image 0: the image has 0 bytes"),
        (request(data=[base64.b64encode(PICTURE[:60]).decode()], **BYTES), "image 0: the PNG image cannot be decoded"),
        (request(data=[[]], datatype="BYTES", shape=[0]), "send N images as shape [N]"),
        (request(data=["x"], datatype="BYTES", shape=[2**62]), "send at most 8 at a time"),
    ],
)
def test_a_request_that_cannot_be_used_is_a_400_with_a_remedy(
    client: httpx.Client, sent: bytes | dict[str, Any], message: str
) -> None:
    answer = client.post(URL, content=sent if isinstance(sent, bytes) else json.dumps(sent).encode())
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/json")
    assert list(answer.json()) == ["error"]
    assert message in answer.json()["error"]
    assert "; " in answer.json()["error"]
    assert len(answer.text) < 1000


@pytest.mark.parametrize("length", ["-1", "1e3", "x", "9" * 30, "65", ""])
def test_a_length_that_is_none_of_the_body_is_refused(client: httpx.Client, length: str) -> None:
    answer = client.post(URL, content=b" " * 64, headers={LENGTH: length})
    assert answer.status_code == 400
    assert f"{LENGTH} '{length}' with a body of 64 bytes" in answer.json()["error"]


def test_a_length_of_thousands_of_digits_is_refused(client: httpx.Client) -> None:
    answer = client.post(URL, content=b" " * 64, headers={LENGTH: 5_000 * "0"})
    assert answer.status_code == 400
    assert "with a body of 64 bytes" in answer.json()["error"]


def test_a_length_that_cuts_the_json_is_named(client: httpx.Client) -> None:
    """tritonclient's asyncio client and KServe's leave the header in the caller's dict, so it comes again."""
    answer = client.post(URL, json=request(), headers={LENGTH: "20"})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(f"the JSON of 20 bytes, as {LENGTH} says, cannot be read: ")


@pytest.mark.parametrize("data", [b"", b"\0" * 63, b"\0" * 65])
def test_binary_data_of_another_size_is_refused(client: httpx.Client, data: bytes) -> None:
    for stated in {64, len(data)}:
        body, headers = with_binary(request(data=None, parameters={"binary_data_size": stated}), data)
        answer = client.post(URL, content=body, headers=headers)
        assert answer.status_code == 400, answer.text
    body, headers = with_binary(request(), b"left over")
    assert "9 bytes follow the JSON" in client.post(URL, content=body, headers=headers).json()["error"]


def test_tensors_that_nobody_could_use_are_not_looked_at() -> None:
    with pytest.raises(MalformedBodyError, match="more than 1,000 tensors"):
        parsed(b'{"inputs": [' + b'{"data":[0]},' * 1001 + b"{}]}", None)


def test_a_million_values_that_are_no_numbers_are_not_parsed() -> None:
    with pytest.raises(MalformedBodyError, match="more than 1,000,000 values; send tensors as binary data"):
        parsed(b'{"inputs": [' + b"null," * 1_000_001 + b"null]}", None)
    assert parsed(json.dumps(request(data=[1] * 2_000_000)).encode(), None).request
