"""Files replaced under load, over HTTP: no error, and every answer is wholly of the one file that its labels name."""

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from service.app import create_app
from service.engine import model_file
from service.engine.model_metadata import with_metadata
from service.settings import Settings
from tests import tiny_models
from tests.service.api.conftest import pixels, png, ready, served, until

IMAGE = png(pixels())
PATH = "/v1/models/tiny/classify?top=4"
CLIENTS = 4


def release(number: int) -> bytes:
    """A network of its own, whose labels and temperature name it: an answer made of two of them shows."""
    model = tiny_models.classifier(layout="NHWC", dtype=tiny_models.UINT8, channels=1, seed=number)
    metadata = model_file.from_bytes(model.SerializeToString()).metadata
    names = tuple(f"{letter} of release {number}" for letter in "abcd")
    stated = metadata.model_copy(update={"class_names": names, "temperature": 1.0 + number, "assumed": ()})
    return with_metadata(model, stated).SerializeToString()


def put(folder: Path, version: int, data: bytes, name: str = "tiny") -> None:
    path = folder / name / str(version) / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.write_bytes(data)
    draft.rename(path)


def release_of(answer: dict[str, Any]) -> int:
    return int(answer["temperature"]) - 1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    put(tmp_path, 1, release(1))
    return tmp_path


@pytest.fixture
def client(folder: Path) -> Iterator[httpx.Client]:
    """Looks every 50 ms and judges files in this process, half a second less for each."""
    settings = Settings(models=folder, provider="cpu", poll_seconds=0.05)
    with served(create_app(settings, lambda paths: ((path, None) for path in paths))) as client:
        until(lambda: client.get("/health/ready").status_code == httpx.codes.OK)
        yield client


@dataclass(frozen=True)
class Asked:
    """What one of the clients got, in its order."""

    statuses: list[int]
    answers: list[dict[str, Any]]


@contextmanager
def asked_without_pause(client: httpx.Client) -> Iterator[list[Asked]]:
    """Several clients that ask again as soon as they are answered, until the block ends."""
    stop = threading.Event()
    asked = [Asked([], []) for _ in range(CLIENTS)]
    threads = [threading.Thread(target=_ask, args=(str(client.base_url), one, stop)) for one in asked]
    for thread in threads:
        thread.start()
    try:
        yield asked
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _ask(base_url: str, asked: Asked, stop: threading.Event) -> None:
    with httpx.Client(base_url=base_url, timeout=60) as client:
        while not stop.is_set():
            answer = client.post(PATH, content=IMAGE)
            asked.statuses.append(answer.status_code)
            asked.answers.append(answer.json())


def answered_by(client: httpx.Client, number: int) -> Callable[[], bool]:
    return lambda: release_of(client.post(PATH, content=IMAGE).json()) == number


def golden(number: int, version: int) -> dict[str, Any]:
    """What release `number` answers, computed by ONNX's reference in NumPy and a softmax written out."""
    file = model_file.from_bytes(release(number))
    logits = _run(file.model)[0]
    powers = np.exp((logits - logits.max()) / (1.0 + number))
    probabilities = powers / powers.sum()
    return {
        "version": version,
        "labels": {name: (probabilities[i], logits[i]) for i, name in enumerate(file.metadata.class_names)},
    }


def check(answer: dict[str, Any], expected: dict[str, Any]) -> None:
    (result,) = answer["results"]
    found = {one["label"]: (one["probability"], one["logit"]) for one in result["predictions"]}
    assert answer["version"] == expected["version"]
    assert found.keys() == expected["labels"].keys()
    for label, numbers in found.items():
        assert numbers == pytest.approx(expected["labels"][label], rel=1e-4, abs=1e-5)


def test_replaced_files_and_new_versions_cost_no_request_and_mix_no_answer(client: httpx.Client, folder: Path) -> None:
    """Release 1 to 5 replace each other as version 1, then release 6 appears as version 2."""
    with asked_without_pause(client) as asked:
        for number in range(2, 6):
            put(folder, 1, release(number))
            until(answered_by(client, number))
        put(folder, 2, release(6))
        until(lambda: all(release_of(one.answers[-1]) == 6 for one in asked))
    expected = {number: golden(number, 1 if number < 6 else 2) for number in range(1, 7)}
    for one in asked:
        assert set(one.statuses) == {200}
        releases = [release_of(answer) for answer in one.answers]
        assert releases == sorted(releases)  # after the first new answer nobody gets an old one
        assert releases[-1] == 6
        for number, answer in zip(releases, one.answers, strict=True):
            check(answer, expected[number])


def test_a_bad_file_changes_nothing_but_the_reason(folder: Path) -> None:
    with ready(Settings(models=folder, provider="cpu", poll_seconds=0.05)) as client:
        with asked_without_pause(client) as asked:
            put(folder, 1, b"<html>")
            put(folder, 2, release(2)[:-100])
            until(lambda: len(_reasons(client)) == 2)
        reasons = _reasons(client)
        assert client.get("/health/ready").status_code == httpx.codes.OK
    assert {status for one in asked for status in one.statuses} == {200}
    assert {release_of(answer) for one in asked for answer in one.answers} == {1}
    assert reasons == {
        (1, "ready", "its new file is refused and the old one answers: model_corrupt"),
        (2, "unavailable", "model_corrupt"),
    }


def _reasons(client: httpx.Client) -> set[tuple[int, str, str]]:
    versions = client.get("/v1/models/tiny").json()["versions"]
    return {(one["version"], one["state"], one["reason"].partition(": the")[0]) for one in versions if one["reason"]}


def test_feature_maps_after_a_swap_are_of_the_new_file(client: httpx.Client, folder: Path) -> None:
    assert _maps(client) == pytest.approx(_conv(1), rel=1e-4)
    put(folder, 1, release(2))
    until(answered_by(client, 2))
    assert _maps(client) == pytest.approx(_conv(2), rel=1e-4)


def _maps(client: httpx.Client) -> np.ndarray:
    answer = client.post("/v1/models/tiny/feature-maps?layers=conv&format=npz", content=IMAGE)
    (maps,) = np.load(io.BytesIO(answer.content)).values()
    return np.asarray(maps)


def _conv(number: int) -> np.ndarray:
    model = model_file.from_bytes(release(number)).model
    model.graph.output[0].name = "conv"
    return _run(model)


def _run(model: onnx.ModelProto) -> np.ndarray:
    outputs = ReferenceEvaluator(model).run(None, {"image": pixels()[None, :, :, None]})
    assert isinstance(outputs, list)
    return np.asarray(outputs[0])
