"""The fast lane and the express door answer what the route behind them answers, to the byte, and leave it the rest.

An empty parameter in the query (`?&`) changes nothing for the route, and neither the lane nor the door understands it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.api import fast_lane
from service.settings import Settings
from tests.service.api.conftest import pixels, png, ready

URL = "/v1/models/grey/classify"
PICTURE = png(pixels())
LARGE = png(pixels(side=300))

ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "raw": (URL, {"content": PICTURE}),
    "raw with a type": (URL, {"content": PICTURE, "headers": {"Content-Type": "image/png"}}),
    "one file": (f"{URL}?top=2", {"files": {"file": ("a.png", PICTURE)}}),
    "files": (URL, {"files": [("file", ("a", PICTURE)), ("file", ("b", LARGE))]}),
    "a bad file among good": (URL, {"files": [("file", ("a", b"x")), ("file", ("b", LARGE))]}),
    "a large image": (URL, {"content": LARGE}),
    "a version": ("/v1/models/grey/versions/1/classify", {"content": PICTURE}),
    "a distribution": ("/v1/models/probable/classify", {"content": PICTURE}),
    "json": (URL, {"json": {"images": ["eA=="]}}),
    "no image": (URL, {"content": b"<html>"}),
    "empty": (URL, {}),
    "cut short": (URL, {"content": PICTURE[:60]}),
    "too long": (URL, {"content": b"x" * 1_000_001}),
    "too many": (URL, {"files": [("file", ("a", b"x"))] * 9}),
    "a field too": (URL, {"data": {"note": "x"}, "files": {"file": ("a.png", PICTURE)}}),
    "no multipart": (URL, {"content": b"x", "headers": {"Content-Type": "multipart/form-data; boundary=a"}}),
    "unknown model": ("/v1/models/none/classify", {"content": PICTURE}),
    "unknown version": ("/v1/models/grey/versions/7/classify", {"content": PICTURE}),
    "broken model": ("/v1/models/broken/classify", {"content": PICTURE}),
    "no classifier": ("/v1/models/upscaler/classify", {"content": PICTURE}),
    "bad parameter": (f"{URL}?top=0", {"content": PICTURE}),
}
OF_THE_ANSWER = {"content-type", "content-length", "retry-after", "connection", "cache-control"}
OF_THE_ANSWER |= {
    "content-security-policy",
    "x-content-type-options",
    "referrer-policy",
    "cross-origin-resource-policy",
}


def compared(answer: httpx.Response) -> tuple[int, dict[str, str], int, bytes]:
    """Status, headers, times that are stated, and the body without the id of the request."""
    headers = {name: value for name, value in answer.headers.items() if name in OF_THE_ANSWER}
    times = answer.headers.get("server-timing", "").count(";dur=")
    return answer.status_code, headers, times, answer.content.replace(answer.headers["x-request-id"].encode(), b"")


@pytest.fixture(scope="module")
def without_express(repository: Path) -> Iterator[httpx.Client]:
    settings = Settings(models=repository, max_body_bytes=1_000_000, max_images=8, provider="cpu")
    with ready(settings, express=False) as client:
        yield client


def asked_both_ways(client: httpx.Client, name: str) -> tuple[object, object]:
    url, request = ASKED[name]
    around = f"{url}&" if "?" in url else f"{url}?&"
    return compared(client.post(url, **request)), compared(client.post(around, **request))


@pytest.mark.parametrize("name", list(ASKED))
def test_lane_and_route_give_the_same_answer(without_express: httpx.Client, name: str) -> None:
    first, second = asked_both_ways(without_express, name)
    assert first == second


@pytest.mark.parametrize("name", list(ASKED))
def test_express_and_route_give_the_same_answer(client: httpx.Client, name: str) -> None:
    first, second = asked_both_ways(client, name)
    assert first == second


def scope(**changes: object) -> dict[str, Any]:
    plain = {"type": "http", "method": "POST", "path": URL, "root_path": "", "query_string": b"", "headers": []}
    return plain | changes


@pytest.mark.parametrize("changes", [{}, {"query_string": b"top=3"}, {"path": f"/vision{URL}", "root_path": "/vision"}])
def test_a_plain_question_takes_the_lane(changes: dict[str, object]) -> None:
    assert fast_lane._asked(scope(**changes)) is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "lifespan"},
        {"method": "GET"},
        {"path": "/v1/models"},
        {"path": "/v1/models/a b/classify"},
        {"query_string": b"&"},
        {"query_string": b"top=0"},
        {"query_string": b"topk=3"},
        {"headers": [(b"content-type", b"application/json")]},
    ],
)
def test_any_other_question_does_not(changes: dict[str, object]) -> None:
    assert fast_lane._asked(scope(**changes)) is None
