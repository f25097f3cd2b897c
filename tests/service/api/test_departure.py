"""Work that nobody waits for any more ends: on a real session, over a real socket."""

import socket
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from service.app import create_app
from service.settings import Settings
from tests import tiny_models
from tests.service.api.conftest import png, put, served, until

WHITE = png(np.full((8, 8), 255, np.uint8))
BLACK = png(np.zeros((8, 8), np.uint8))
URL = "/v1/models/slow/classify"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    folder = tmp_path_factory.mktemp("models")
    put(folder, "slow", tiny_models.slow_on_white())
    return create_app(Settings(models=folder, provider="cpu", request_timeout_seconds=300.0))


@pytest.fixture(scope="module")
def client(app: FastAPI) -> Iterator[httpx.Client]:
    with served(app) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        yield client


def failures(client: httpx.Client) -> int:
    stats = client.get("/v2/models/slow/stats").json()["model_stats"][0]
    count: int = stats["inference_stats"]["fail"]["count"]
    return count


def idle(app: FastAPI) -> bool:
    return not app.state.services.scheduler._running


def test_a_running_inference_is_stopped_at_its_deadline_and_the_next_one_runs(app: FastAPI) -> None:
    hurried = create_app(app.state.settings.model_copy(update={"request_timeout_seconds": 1.0}))
    with served(hurried) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        assert client.post(URL, content=WHITE).status_code == 504
        until(lambda: idle(hurried))
        assert client.post(URL, content=BLACK).status_code == 200


def test_a_running_inference_is_stopped_when_its_client_leaves(app: FastAPI, client: httpx.Client) -> None:
    before = failures(client)
    with socket.create_connection((client.base_url.host, client.base_url.port or 0)) as leaving:
        head = f"POST {URL} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(WHITE)}\r\n\r\n"
        leaving.sendall(head.encode() + WHITE)
        until(lambda: not idle(app))
    until(lambda: idle(app))  # within a minute, not by the deadline of five
    until(lambda: failures(client) == before + 1)
    assert client.post(URL, content=BLACK).status_code == 200
