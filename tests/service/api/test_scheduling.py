"""Each property of the scheduler once over HTTP, on real sessions; executors are held by networks that wait."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from service.app import create_app
from service.settings import Settings
from tests import tiny_models
from tests.service.api.conftest import named, pixels, png, put, served, until
from tests.service.engine.conftest import Gate, images

LARGE = 200  # pixels a side: no door takes these past the scheduler
WHITE = png(np.full((8, 8), 255, np.uint8))


def picture(seed: int) -> bytes:
    return png(pixels(seed, LARGE))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    put(folder, "grey", named(tiny_models.classifier(layout="NHWC", dtype=tiny_models.UINT8, channels=1)))
    put(folder, "dark", tiny_models.no_answer_to_white())
    put(folder, "slow", tiny_models.slow_on_white())
    return folder


@contextmanager
def service(folder: Path, **settings: Any) -> Iterator[tuple[FastAPI, httpx.Client]]:
    app = create_app(Settings(models=folder, provider="cpu", **settings))
    with served(app) as client:
        until(lambda: client.get("/health/ready").status_code == httpx.codes.OK)
        yield app, client


@contextmanager
def held(app: FastAPI) -> Iterator[None]:
    """Every executor is busy inside; what is sent waits."""
    gate = Gate()
    for _ in app.state.services.device.executors:
        app.state.services.scheduler.submit(gate, images(0), 60.0)
        assert gate.entered.wait(10)
        gate.entered.clear()
    try:
        yield
    finally:
        gate.open.set()


def has_begun(app: FastAPI, executors: int) -> bool:
    return len(app.state.services.scheduler._running) == executors


def waiting(app: FastAPI) -> int:
    count: int = app.state.services.scheduler._lanes.images
    return count


def ran(client: httpx.Client, model: str) -> dict[int, int]:
    """Runs by their number of images."""
    (stats,) = client.get(f"/v2/models/{model}/stats").json()["model_stats"]
    return {entry["batch_size"]: entry["compute_infer"]["count"] for entry in stats["batch_stats"]}


def logits(result: dict[str, Any]) -> list[float]:
    return [one["logit"] for one in sorted(result["predictions"], key=lambda one: int(one["index"]))]


def classify(client: httpx.Client, model: str, *pictures: bytes) -> httpx.Response:
    return client.post(f"/v1/models/{model}/classify", files=[("file", one) for one in pictures])


@contextmanager
def asking(client: httpx.Client, model: str, body: bytes) -> Iterator[None]:
    """A request that was sent whole; its client leaves at the end."""
    with socket.create_connection((client.base_url.host, client.base_url.port or 0)) as connection:
        head = f"POST /v1/models/{model}/classify HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        yield


def test_exactly_what_does_not_fit_is_refused_while_real_inferences_run(folder: Path) -> None:
    with service(folder, max_waiting_images=4, request_timeout_seconds=60) as (app, client), ExitStack() as running:
        for number, _ in enumerate(app.state.services.device.executors, start=1):
            running.enter_context(asking(client, "slow", WHITE))
            until(partial(has_begun, app, number))
        with ThreadPoolExecutor(4) as threads:
            accepted = [threads.submit(classify, client, "grey", picture(seed)) for seed in range(4)]
            until(lambda: waiting(app) == 4)
            refused = [classify(client, "grey", picture(seed)) for seed in range(7)]
            before_the_body = classify(client, "slow", WHITE)  # not for the express door: that refuses at once
            running.close()  # who waits for the slow ones leaves, and they are stopped
            assert [one.result().status_code for one in accepted] == [200] * 4
    refused.append(before_the_body)
    assert [answer.status_code for answer in refused] == [503] * 8, refused[0].text
    assert {answer.json()["instance"] for answer in refused} == {f"/v1/models/{m}/classify" for m in ("grey", "slow")}
    assert all(1 <= int(answer.headers["retry-after"]) <= 30 for answer in refused)
    assert {answer.json()["code"] for answer in refused} == {"overloaded"}


def test_answers_in_a_batch_are_those_alone(folder: Path) -> None:
    pictures = [picture(seed) for seed in range(40)]
    with service(folder, max_images=64) as (app, client):
        alone = [logits(classify(client, "grey", one).json()["results"][0]) for one in pictures]
        with ThreadPoolExecutor(40) as threads, held(app):
            asked = [threads.submit(classify, client, "grey", one) for one in pictures]
            until(lambda: waiting(app) == 40)
        together = [logits(one.result().json()["results"][0]) for one in asked]
        assert np.allclose(alone, together, atol=1e-5, rtol=0)
        assert max(ran(client, "grey")) > 1, "some of them ran in one batch"


def test_a_large_request_is_run_in_parts(folder: Path) -> None:
    pictures = [picture(seed) for seed in range(20)]
    with service(folder, max_batch=8) as (_, client):
        alone = [logits(classify(client, "grey", one).json()["results"][0]) for one in pictures]
        before = ran(client, "grey")
        whole = [logits(one) for one in classify(client, "grey", *pictures).json()["results"]]
        parts = {size: count - before.get(size, 0) for size, count in ran(client, "grey").items()}
    assert np.allclose(alone, whole, atol=1e-5, rtol=0)
    assert max(parts) <= 8
    assert sum(size * count for size, count in parts.items()) == 20


def test_one_bad_image_among_many_fails_alone(folder: Path) -> None:
    white = png(np.full((LARGE, LARGE), 255, np.uint8))
    with service(folder) as (_, client):
        answer = classify(client, "dark", picture(0), white, picture(1))
        assert answer.status_code == 200
        first, bad, last = answer.json()["results"]
        assert bad["error"]["code"] == "model_output_invalid"
        assert [logits(first), logits(last)] == [
            pytest.approx(logits(classify(client, "dark", picture(seed)).json()["results"][0])) for seed in (0, 1)
        ]


def test_one_bad_request_of_a_batch_fails_alone(folder: Path) -> None:
    white = png(np.full((LARGE, LARGE), 255, np.uint8))
    with service(folder) as (app, client):
        with ThreadPoolExecutor(5) as threads, held(app):
            asked = [
                threads.submit(classify, client, "dark", one) for one in (picture(0), white, picture(1), picture(2))
            ]
            until(lambda: waiting(app) == 4)
        assert [one.result().status_code for one in asked] == [200, 500, 200, 200]


def test_a_deadline_is_kept_while_everything_is_busy_and_what_expired_never_runs(folder: Path) -> None:
    with service(folder, request_timeout_seconds=0.3) as (app, client):
        with held(app):
            answer = classify(client, "grey", picture(0))
            assert answer.status_code == 504
            assert waiting(app) == 0
        assert classify(client, "grey", picture(1)).status_code == 200
        assert sum(ran(client, "grey").values()) == 1


def test_who_leaves_while_waiting_is_never_run(folder: Path) -> None:
    with service(folder, request_timeout_seconds=300) as (app, client):
        with held(app):
            with asking(client, "grey", picture(0)):
                until(lambda: waiting(app) == 1)
            until(lambda: waiting(app) == 0)
        assert classify(client, "grey", picture(1)).status_code == 200
        assert sum(ran(client, "grey").values()) == 1
