"""The service over one tiny model, with whatever goes wrong put in from outside."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from service.app import create_app
from service.images.network_input import network_input
from service.settings import Settings
from tests import tiny_models
from tests.service.api.conftest import named, pixels, png, put, served, until

SIDE = 200  # larger than what is decoded in the event loop
URL = "/v1/models/grey/classify"
PICTURE = png(pixels(0, SIDE))
OTHER = png(pixels(1, SIDE))
SMALL = png(pixels(0))


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    put(folder, "grey", named(tiny_models.classifier(layout="NHWC", dtype=tiny_models.UINT8, channels=1)))
    put(folder, "slow", tiny_models.slow_on_white())
    return folder


@contextmanager
def service(models: Path, **settings: Any) -> Iterator[tuple[FastAPI, httpx.Client]]:
    app = create_app(Settings(models=models, provider="cpu", **settings))
    with served(app) as client:
        until(lambda: client.get("/health/ready").status_code == httpx.codes.OK)
        yield app, client


class Hang:
    """Decoding `PICTURE` never ends; all else is decoded as ever."""

    def __init__(self, honest: Callable[..., Any]) -> None:
        self._honest = honest
        self.begun = threading.Semaphore(0)
        self.decoded: list[bytes] = []
        self.end = threading.Event()

    def __call__(self, data: bytes, *args: Any) -> np.ndarray:
        if data == PICTURE:
            self.begun.release()
            self.end.wait()
        self.decoded.append(data)
        found: np.ndarray = self._honest(data, *args)
        return found


@pytest.fixture
def hang(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hang]:
    one = Hang(network_input)
    monkeypatch.setattr("service.api.classification.network_input", one)
    yield one
    one.end.set()
