"""Clients that leave during the upload, the wait and the run: nothing is left of them. Long form: `make chaos`."""

import gc
import logging
import socket
from contextlib import ExitStack
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from tests.reliability.conftest import PICTURE, URL, service
from tests.service.api.conftest import png, until
from tests.service.api.test_scheduling import held, ran, waiting

CLIENTS = 20
WHITE = png(np.full((8, 8), 255, np.uint8))


def sent(client: httpx.Client, path: str, body: bytes, part: float = 1.0) -> socket.socket:
    """A connection on which so much of the request was sent."""
    connection = socket.create_connection((client.base_url.host, client.base_url.port or 0))
    content = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
    connection.sendall(content[: int(part * len(content))])
    return connection


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def is_idle(app: FastAPI) -> bool:
    return not waiting(app) and not app.state.services.scheduler._running


def test_nothing_is_left_of_clients_that_vanish(models: Path, caplog: pytest.LogCaptureFixture) -> None:
    with service(models, request_timeout_seconds=300) as (app, client):
        before = descriptors()
        with ExitStack() as uploading:
            for _ in range(CLIENTS):
                uploading.enter_context(sent(client, URL, PICTURE, 0.5))
        with held(app), ExitStack() as queued:
            for _ in range(CLIENTS):
                queued.enter_context(sent(client, URL, PICTURE))
            until(lambda: waiting(app) == CLIENTS)
            queued.close()
            until(lambda: waiting(app) == 0)
        with ExitStack() as running:
            for _ in range(CLIENTS):
                running.enter_context(sent(client, "/v1/models/slow/classify", WHITE))
            until(lambda: len(app.state.services.scheduler._running) == len(app.state.services.device.executors))
        until(lambda: is_idle(app))
        gc.collect()
        until(lambda: descriptors() <= before)
        assert sum(ran(client, "grey").values()) == 0
        assert sum(ran(client, "slow").values()) == 0
        assert client.post(URL, content=PICTURE).status_code == 200
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
