"""The service on a real port, asked over bare sockets."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from service.app import create_app
from service.connections.bounds import Bounds
from service.settings import Settings
from tests import tiny_models
from tests.service.api.conftest import named, put, served, until
from tests.service.connections.raw import Address

BODY_BYTES = 100_000  # the largest body
HASTY = Bounds(patience_seconds=0.5)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    put(folder, "grey", named(tiny_models.classifier(layout="NHWC", dtype=tiny_models.UINT8, channels=1)))
    return folder


def application(folder: Path) -> FastAPI:
    return create_app(Settings(models=folder, provider="cpu", max_body_bytes=BODY_BYTES, request_timeout_seconds=60.0))


def address_of(client: httpx.Client) -> Address:
    return client.base_url.host, client.base_url.port or 0


@pytest.fixture(scope="package")
def client(folder: Path) -> Iterator[httpx.Client]:
    with served(application(folder)) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        yield client


@pytest.fixture
def address(client: httpx.Client) -> Iterator[Address]:
    """Of a service that is live after the test as before it."""
    yield address_of(client)
    assert client.get("/health/live").status_code == 200


@pytest.fixture(scope="package")
def hasty_client(folder: Path) -> Iterator[httpx.Client]:
    """Of a service with half a second's patience."""
    with served(application(folder), bounds=HASTY) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        yield client


@pytest.fixture
def hasty(hasty_client: httpx.Client) -> Iterator[Address]:
    yield address_of(hasty_client)
    assert hasty_client.get("/health/live").status_code == 200
