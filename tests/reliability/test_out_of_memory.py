"""A device without memory for a batch, by the very error that ONNX Runtime raises there: see docs/reliability.md."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from fastapi import FastAPI

from service.engine.devices import RUNTIME_ERRORS
from tests.reliability.conftest import PICTURE, SIDE, URL, service
from tests.service.api.conftest import pixels, png

if TYPE_CHECKING:
    from service.engine.runner import Runner

# What its arena says (BFCArena::AllocateRawInternal), and CUDA itself where the arena may grow.
SAID = (
    "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Failed to allocate memory for requested buffer of size 9",
    "[ONNXRuntimeError] : 1 : FAIL : CUDA failure 2: out of memory ; GPU=0 ; expr=cudaMalloc((void**)&p, size);",
)


class Full:
    """A session of a device that has memory for so many images at once."""

    def __init__(self, session: Any, images: int, said: str) -> None:
        self._session, self.images, self._said = session, images, said
        self.refused: list[int] = []

    def run(self, outputs: list[str], feed: dict[str, np.ndarray], options: object) -> Any:
        (batch,) = feed.values()
        if len(batch) > self.images:
            self.refused.append(len(batch))
            raise next(kind for kind in RUNTIME_ERRORS if kind.__name__ == "RuntimeException")(self._said)
        return self._session.run(outputs, feed, options)


@contextmanager
def full(app: FastAPI, images: int, said: str) -> Iterator[Full]:
    classifier = app.state.services.registry.classifier("grey", None)
    runners: list["Runner"] = [*classifier.runners, *([classifier.alone] if classifier.alone else [])]
    sessions = [runner.session for runner in runners]
    one = Full(sessions[0], images, said)
    for runner in runners:
        runner.session = one
    yield one
    for runner, session in zip(runners, sessions, strict=True):
        runner.session = session


@pytest.mark.parametrize("said", SAID)
def test_a_batch_too_large_for_the_device_is_answered_in_halves(models: Path, said: str) -> None:
    pictures = [("file", png(pixels(seed, SIDE))) for seed in range(8)]
    with service(models) as (app, client):
        expected = client.post(URL, files=pictures).json()["results"]
        with full(app, 2, said) as device:
            answer = client.post(URL, files=pictures)
        assert device.refused
        assert min(device.refused) > 2
    assert answer.status_code == 200
    found = [[one["index"] for one in result["predictions"]] for result in answer.json()["results"]]
    assert found == [[one["index"] for one in result["predictions"]] for result in expected]


@pytest.mark.parametrize("said", SAID)
def test_one_image_too_large_for_the_device_is_refused_for_now_and_the_next_one_runs(models: Path, said: str) -> None:
    with service(models) as (app, client):
        with full(app, 0, said):
            answer = client.post(URL, content=PICTURE)
        assert client.post(URL, content=PICTURE).status_code == 200
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["code"] == "out_of_memory"
    assert answer.json()["detail"] == "cpu has no memory left for this image"
