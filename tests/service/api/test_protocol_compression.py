import gzip
import json
import zlib
from typing import Any

import httpx
import pytest

from tests.service.api.conftest import pixels
from tests.service.api.test_inference_protocol import URL, VALUES, request, scores, with_binary


def test_only_large_json_answers_of_infer_are_compressed_and_never_with_brotli(client: httpx.Client) -> None:
    many = request(shape=[60, 8, 8, 1], data=VALUES * 60)

    def encoding(accepted: str, sent: dict[str, Any] = many, path: str = URL) -> str | None:
        with client.stream("POST", path, json=sent, headers={"Accept-Encoding": accepted}) as answer:
            assert (unpacked := answer.read())
            assert json.loads(unpacked)
            found: str | None = answer.headers.get("content-encoding")
            return found

    assert encoding("gzip, deflate, br") == "gzip"
    assert encoding("deflate") == "deflate"
    assert encoding("gzip;q=0, deflate;q=0.5") == "deflate"
    assert encoding("br") is None
    assert encoding("gzip", request()) is None
    assert encoding("gzip", request(name="x" * 5000)) is None
    assert client.get("/v2/models/stats", headers={"Accept-Encoding": "gzip"}).headers.get("content-encoding") is None


def test_binary_answers_are_never_compressed(client: httpx.Client) -> None:
    many = {"parameters": {"binary_data_output": True}, **request(shape=[200, 8, 8, 1], data=VALUES * 200)}
    assert "content-encoding" not in client.post(URL, json=many, headers={"Accept-Encoding": "gzip"}).headers


def test_the_length_of_the_json_part_counts_before_compression(client: httpx.Client) -> None:
    head = request(data=None, parameters={"binary_data_size": 64})
    body, headers = with_binary(head, pixels().tobytes())
    for encoding, packed in (
        ("gzip", gzip.compress(body, mtime=0)),
        ("deflate", zlib.compress(body)),
        ("identity", body),
    ):
        answer = client.post(URL, content=packed, headers={**headers, "Content-Encoding": encoding})
        assert scores(answer) == scores(client.post(URL, json=request()))


@pytest.mark.parametrize(
    ("body", "encoding", "status", "message"),
    [
        (gzip.compress(b"\0" * 1_000_001, mtime=0), "gzip", 413, "exceeds 1,000,000 bytes"),
        (zlib.compress(b"\0" * 50_000_000), "deflate", 413, "exceeds 1,000,000 bytes"),
        (gzip.compress(b"{}", mtime=0)[:-1], "gzip", 400, "is not one whole gzip stream"),
        (gzip.compress(b"{}", mtime=0) + b"x", "gzip", 400, "is not one whole gzip stream"),
        (b"{}", "gzip", 400, "is not one whole gzip stream"),
        (b"{}", "br", 415, "Content-Encoding 'br' is not read; use one of: gzip, deflate, or none"),
        (gzip.compress(gzip.compress(b"{}", mtime=0), mtime=0), "gzip, gzip", 415, "use one of: gzip"),
    ],
)
def test_a_compressed_body_that_cannot_be_used(
    client: httpx.Client, body: bytes, encoding: str, status: int, message: str
) -> None:
    answer = client.post(URL, content=body, headers={"Content-Encoding": encoding})
    assert answer.status_code == status
    assert message in answer.json()["error"]
    assert (answer.headers.get("accept-encoding") == "gzip, deflate") == (status == 415)
