"""The whole service over tiny models, on a real port, asked by a plain HTTP client."""

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import onnx
import pytest
import uvicorn
from fastapi import FastAPI
from PIL import Image

from service.api.express import express_protocol
from service.app import create_app
from service.connections.bounds import Bounds
from service.connections.shares import Shares
from service.engine import model_file
from service.engine.model_metadata import Metrics, Provenance, with_metadata
from service.settings import Settings
from tests import tiny_models

NAMES = ("ant", "bee", "cat", "dog")


def put(folder: Path, name: str, model: onnx.ModelProto, version: int = 1) -> None:
    path = folder / name / str(version) / "model.onnx"
    path.parent.mkdir(parents=True)
    path.write_bytes(model.SerializeToString())


def named(model: onnx.ModelProto) -> onnx.ModelProto:
    metadata = model_file.from_bytes(model.SerializeToString()).metadata
    stated = {
        "class_names": NAMES,
        "temperature": 2.0,
        "assumed": (),
        "metrics": Metrics(dataset="made up", images=10, accuracy=0.5),
        "provenance": Provenance(stage="trained", recipe="tiny", seed=0),
    }
    return with_metadata(model, metadata.model_copy(update=stated))


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    put(folder, "grey", named(tiny_models.classifier(layout="NHWC", dtype=tiny_models.UINT8, channels=1)))
    put(folder, "foreign", tiny_models.classifier())
    put(folder, "probable", tiny_models.classifier(ending="Softmax"))
    put(folder, "broken", onnx.ModelProto())
    put(folder, "upscaler", tiny_models.upscaler())
    (folder / "my model.onnx").touch()
    return folder


@contextmanager
def served(
    app: FastAPI, *, express: bool = True, bounds: Bounds | None = None, shares: Shares | None = None
) -> Iterator[httpx.Client]:
    """A client of the application on a free port, once it is live; with the express door, as `serve` has it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        http = express_protocol(app, bounds, shares) if express else "httptools"
        config = uvicorn.Config(app, log_level="error", ws="none", http=http, server_header=False, proxy_headers=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=60) as client:
                until(lambda: server.started)
                yield client
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def ready(settings: Settings, *, express: bool = True) -> Iterator[httpx.Client]:
    """As `served`, once its models answer. A busy machine is no failure: unless a test says when time is over, it has
    a minute."""
    patient = settings.model_copy(update={"request_timeout_seconds": 60.0} | settings.model_dump(exclude_unset=True))
    with served(create_app(patient), express=express) as client:
        until(lambda: client.get("/health/ready").status_code == httpx.codes.OK)
        yield client


def until(condition: Callable[[], bool]) -> None:
    """Waits up to ten minutes: a busy machine is no failure."""
    end = time.monotonic() + 600
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("ten minutes are over")


@pytest.fixture(scope="session")
def client(repository: Path) -> Iterator[httpx.Client]:
    with ready(Settings(models=repository, max_body_bytes=1_000_000, max_images=8, provider="cpu")) as client:
        yield client


def pixels(seed: int = 0, side: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side), np.uint8)


def png(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()
