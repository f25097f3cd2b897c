"""One truth: each request is one line of the log and one count, whichever door it came by and however it ended."""

import json
import logging
import socket
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from service.app import create_app
from service.settings import Settings
from tests.service.api.conftest import pixels, png, served, until
from tests.service.api.test_entrance import DOORS, PICTURE, URL, WORKER, asked
from tests.service.engine.conftest import Gate

FORGED = 'x\x1b[31m"}\u2028{'
CLASSIFY = "/v1/models/{model}/classify"


class Lines(list[bytes]):
    def read(self) -> list[dict[str, Any]]:
        assert all(one.endswith(b"\n") and one.count(b"\n") == 1 for one in self)
        return [json.loads(one) for one in self]

    def last(self) -> dict[str, Any]:
        return self.read()[-1]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[Lines]:
    with caplog.at_level(logging.INFO, logger="fovea"):
        yield Lines()


@pytest.fixture
def app(repository: Path, lines: Lines) -> FastAPI:
    settings = Settings(models=repository, provider="cpu", max_waiting_images=1, request_timeout_seconds=60)
    return create_app(settings, write=lines.append)


@pytest.fixture
def fresh(app: FastAPI) -> Iterator[httpx.Client]:
    with served(app) as client:
        until(lambda: bool(app.state.services.scheduler.statistics.all_started()))
        yield client


def counted(app: FastAPI) -> Counter[tuple[str, str, int]]:
    return Counter({key: durations.count for key, durations in app.state.ledger.counts.answers().items()})


def logged(lines: Lines) -> Counter[tuple[str, str, int]]:
    return Counter((one["method"], one["route"], one["status"]) for one in lines.read())


@pytest.mark.parametrize("door", list(DOORS))
def test_a_classification_is_one_line_with_its_times_and_its_model(
    fresh: httpx.Client, lines: Lines, door: str
) -> None:
    answer = asked(fresh, door, **{"X-Request-ID": "mine-1"})
    (line,) = lines.read()
    assert {name: line[name] for name in ("level", "message", "request_id", "client", "method", "status")} == {
        "level": "info",
        "message": "request",
        "request_id": "mine-1",
        "client": "127.0.0.1",
        "method": "POST",
        "status": 200,
    }
    assert line["route"] == (CLASSIFY if door != "v2" else "/v2/models/{model}/infer")
    assert (line["model"], line["version"], line["provider"]) == ("grey", 1, "cpu")
    assert (line["bytes_in"], line["bytes_out"]) == (len(DOORS[door]["content"]), len(answer.content))
    stages = [line[f"{stage}_ms"] for stage in ("decode", "queue", "inference")]
    assert all(spent >= 0 for spent in stages)
    assert 0 < sum(stages) < line["ms"]
    assert datetime.fromisoformat(line["time"]).tzinfo is not None
    assert "code" not in line


def test_the_lines_are_the_counts_whatever_was_asked(app: FastAPI, fresh: httpx.Client, lines: Lines) -> None:
    for door in DOORS:
        asked(fresh, door)
    fresh.post(URL, content=b"<html>")
    fresh.post(URL, content=b"")
    fresh.post(f"{URL}?top=0", content=PICTURE)
    fresh.post(URL, files=[("file", PICTURE), ("file", b"x")])
    fresh.post("/v1/models/none/classify", content=PICTURE)
    fresh.post("/v1/models/broken/classify", content=PICTURE)
    fresh.get("/nowhere")
    fresh.request("PROPFIND", "/v1/models")
    fresh.put("/v1/models")
    fresh.get("/health/live")
    fresh.get("/page/main.js")
    fresh.get("/docs")
    fresh.get("/metrics")
    assert sum(counted(app).values()) == 17
    assert logged(lines) == counted(app)
    refusals = Counter(one["code"] for one in lines.read() if "code" in one)
    assert refusals == Counter(dict(app.state.ledger.counts.refusals()))


def test_who_is_refused_for_overload_is_a_warning_with_its_code(
    app: FastAPI, fresh: httpx.Client, lines: Lines
) -> None:
    held, scheduler = Gate("grey"), app.state.services.scheduler
    try:
        for _ in app.state.services.device.executors:
            scheduler.submit(held, pixels()[None, :, :, None], 60.0)
            assert held.entered.wait(10)
            held.entered.clear()
        scheduler.submit(held, pixels()[None, :, :, None], 60.0)
        assert fresh.post(URL, content=png(pixels(side=300))).status_code == 503
    finally:
        held.open.set()
    line = lines.last()
    assert (line["level"], line["status"], line["code"], line["route"]) == ("warning", 503, "overloaded", CLASSIFY)
    assert logged(lines) == counted(app)


def test_who_left_before_the_answer_is_a_499(app: FastAPI, fresh: httpx.Client, lines: Lines) -> None:
    held, scheduler = Gate("grey"), app.state.services.scheduler
    body = png(pixels(side=300))
    head = f"POST {URL} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    try:
        for _ in app.state.services.device.executors:
            scheduler.submit(held, pixels()[None, :, :, None], 60.0)
            assert held.entered.wait(10)
            held.entered.clear()
        with socket.create_connection((fresh.base_url.host, fresh.base_url.port or 0)) as connection:
            connection.sendall(head + body)
            until(lambda: scheduler.statistics.of(("grey", 1)).waiting_images == 1)
        until(lambda: bool(lines))
    finally:
        held.open.set()
    line = lines.last()
    assert (line["status"], line["route"], line["bytes_out"], line["level"]) == (499, CLASSIFY, 0, "info")
    assert logged(lines) == counted(app)


def test_a_defect_of_ours_is_an_error_whose_traceback_has_the_same_request_id(
    app: FastAPI, fresh: httpx.Client, lines: Lines, caplog: pytest.LogCaptureFixture
) -> None:
    @app.get("/defect")
    async def defect() -> None:
        raise RuntimeError

    answer = fresh.get("/defect", headers={"X-Request-ID": "mine-2"})
    assert (answer.status_code, answer.headers["content-security-policy"][:18]) == (500, "default-src 'none'")
    line = lines.last()
    assert (line["level"], line["code"], line["request_id"]) == ("error", "internal_error", "mine-2")
    (told,) = [one for one in caplog.records if one.message == "request failed"]
    assert told.__dict__["fields"] == {"request_id": "mine-2"}


def test_nothing_that_a_client_writes_gets_into_a_line(fresh: httpx.Client, lines: Lines) -> None:
    secret = "a-secret-that-nobody-logs"  # noqa: S105 - of this test
    long = "m" * 50_000
    for name in (quote(FORGED), "%0d%0a%1b%5b31m", "a\\u0000b", '"}'):
        for door in ("/v1/models/{}/classify", "/v2/models/{}/infer", "/{}"):
            fresh.post(door.format(name), content=PICTURE, headers={"X-Request-ID": "a b", "User-Agent": "forged"})
    fresh.post(f"{URL}?{secret}={secret}&top={secret}", content=PICTURE)
    fresh.post(URL, content=secret.encode() * 3, headers={"Authorization": f"Bearer {secret}"})
    fresh.post(URL, files={"file": (FORGED + secret + long, PICTURE)})
    fresh.post(f"/v1/models/{long}/classify", content=PICTURE)
    fresh.request(secret.upper().replace("-", ""), "/v1/models")
    for written in lines:
        assert len(written) < 1024
        assert written.isascii()
        for text in (secret, "forged", "mmm", "[31m", "ASECRET"):
            assert text not in written.decode()
    assert all(one["status"] < 500 for one in lines.read())


def test_a_token_is_named_and_never_shown(repository: Path, lines: Lines) -> None:
    settings = Settings(models=repository, provider="cpu", inference_tokens=SecretStr(WORKER))
    app = create_app(settings, write=lines.append)
    with served(app) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        lines.clear()
        for door in DOORS:
            asked(client, door, WORKER)
        name = {one["token"] for one in lines.read()}
        asked(client, "express", "wrong")
        asked(client, "lane")
    assert len(name) == 1
    assert len(name.pop()) == 8
    assert not any(WORKER.encode() in one for one in lines)
    for line in lines.read()[-2:]:
        assert (line["status"], line["code"], line["route"]) == (401, "token_invalid", "refused")
        assert "token" not in line


def test_below_its_level_nothing_is_written(repository: Path, caplog: pytest.LogCaptureFixture) -> None:
    written: list[bytes] = []
    with (
        caplog.at_level(logging.WARNING, logger="fovea"),
        served(create_app(Settings(models=repository, provider="cpu"), write=written.append)) as client,
    ):
        until(lambda: client.get("/health/ready").status_code == 200)
        written.clear()
        assert asked(client, "express").status_code == 200
        assert asked(client, "express", **{"X-Request-ID": "a"}).status_code == 200
        assert written == []
        assert client.post("/v1/models/broken/classify", content=PICTURE).status_code == 503
    assert [json.loads(one)["status"] for one in written] == [503]
