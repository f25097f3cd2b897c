"""The process says that it lives, and answers, while a model loads for however long."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from service.app import create_app
from service.settings import Settings
from tests import tiny_models
from tests.reliability.conftest import PICTURE, URL
from tests.service.api.conftest import named, put, served, until


class Trial:
    """Takes for ever over files of the model `endless`, until it is told to end."""

    def __init__(self) -> None:
        self.begun, self.end = threading.Event(), threading.Event()

    def __call__(self, paths: Sequence[Path]) -> Iterator[tuple[Path, str | None]]:
        for path in paths:
            if "endless" in path.parts:
                self.begun.set()
                self.end.wait()
            yield path, None


@pytest.fixture
def trial() -> Iterator[Trial]:
    one = Trial()
    yield one
    one.end.set()


def test_neither_life_nor_other_models_wait_for_a_model_that_loads(tmp_path: Path, trial: Trial) -> None:
    model = named(tiny_models.classifier(layout="NHWC", dtype=tiny_models.UINT8, channels=1))
    put(tmp_path, "grey", model)
    with served(create_app(Settings(models=tmp_path, provider="cpu", poll_seconds=0.05), trial)) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        put(tmp_path, "endless", model)
        assert trial.begun.wait(60)
        for _ in range(20):
            assert client.get("/health/live").status_code == 200
            assert client.get("/health/ready").status_code == 200
            assert client.post(URL, content=PICTURE).status_code == 200
        (loading,) = client.get("/v1/models/endless").json()["versions"]
        assert loading["state"] == "loading"
        trial.end.set()
        until(lambda: client.get("/v1/models/endless").json()["versions"][0]["state"] == "ready")
