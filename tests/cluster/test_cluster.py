"""The service on two machines of a Ray cluster, groups of processes here: asked, replaced, one of them lost.

The tests are steps of one life, in this order: a cluster takes a minute to start.
"""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Self

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests import tiny_models
from tests.service.api.conftest import named, pixels, png, put, until

pytest.importorskip("ray.serve", reason="Ray is not installed: the extra `cluster` has it")

from benchmarks.machines import Machines, machines

IMAGE = png(pixels())
CLASSIFY = "/v1/models/grey/classify"
SETTINGS = {"FOVEA_PROVIDER": "cpu", "FOVEA_POLL_SECONDS": "1", "FOVEA_REQUEST_TIMEOUT_SECONDS": "600"}
SOONEST = 30  # answers without a failure that show that all is well again


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("grey", "other", "third")):
        put(folder, name, named(tiny_models.classifier(layout="NHWC", dtype=tiny_models.UINT8, channels=1, seed=seed)))
    return folder


@pytest.fixture(scope="module")
def cluster(repository: Path) -> Iterator[Machines]:
    with machines(1, 1) as found:
        found.deploy({**SETTINGS, "FOVEA_MODELS": str(repository)}, min_replicas=2, max_replicas=2)
        yield found


def counted(cluster: Machines, name: str) -> float:
    """A metric of the whole cluster, summed over its labels."""
    status, text = cluster.get("/metrics")
    assert status == HTTPStatus.OK, text
    samples = (sample for family in text_string_to_metric_families(text.decode()) for sample in family.samples)
    return sum(sample.value for sample in samples if sample.name == name)


class Asking:
    """Clients that ask the same question for as long as the block lasts, and what they were answered."""

    def __init__(self, cluster: Machines, clients: int = 3) -> None:
        self.answers: Counter[tuple[int, bytes]] = Counter()
        self.failures: list[tuple[int, bytes]] = []
        self.in_a_row = 0
        self._cluster = cluster
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self._stop.is_set():
            answer = self._cluster.ask("POST", CLASSIFY, IMAGE, seconds=600)
            with self._lock:
                self.answers[answer] += 1
                self.in_a_row = self.in_a_row + 1 if answer[0] == HTTPStatus.OK else 0
                if answer[0] != HTTPStatus.OK:
                    self.failures.append(answer)

    def is_well(self) -> bool:
        return self.in_a_row >= SOONEST

    def begin_anew(self) -> None:
        with self._lock:
            self.in_a_row = 0


def test_the_three_questions_are_answered_as_by_one_process(cluster: Machines) -> None:
    status, body = cluster.ask("POST", CLASSIFY, IMAGE)
    assert status == HTTPStatus.OK
    assert json.loads(body)["results"][0]["predictions"][0]["label"] in {"ant", "bee", "cat", "dog"}
    status, body = cluster.ask("POST", "/v1/models/grey/feature-maps?layers=conv&format=json", IMAGE)
    assert status == HTTPStatus.OK, body
    status, body = cluster.get("/v1/models/grey/layer-shapes")
    assert status == HTTPStatus.OK, body
    assert "conv" in [layer["id"] for layer in json.loads(body)["layers"]]


@pytest.mark.parametrize("path", ["/", "/health/ready", "/v1/models", "/v2/models/grey", "/v2/health/ready", "/docs"])
def test_everything_else_is_there_too(cluster: Machines, path: str) -> None:
    assert cluster.get(path)[0] == HTTPStatus.OK


def test_errors_are_the_service_s_own(cluster: Machines) -> None:
    status, body = cluster.ask("POST", CLASSIFY, b"no image")
    assert status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    assert json.loads(body)["code"] == "image_format_unsupported"
    assert json.loads(cluster.get("/v1/models/nobody")[1])["code"] == "model_unknown"


def test_metrics_count_all_replicas_whichever_is_asked(cluster: Machines) -> None:
    until(lambda: counted(cluster, "fovea_workers") == 2)
    before = counted(cluster, "fovea_inference_requests_total")
    for _ in range(20):
        assert cluster.ask("POST", CLASSIFY, IMAGE)[0] == HTTPStatus.OK
    until(lambda: counted(cluster, "fovea_inference_requests_total") == before + 20)


def test_a_rolling_update_loses_no_request_and_no_count(cluster: Machines, repository: Path) -> None:
    before = counted(cluster, "fovea_inference_requests_total")
    with Asking(cluster) as asking:
        settings = {**SETTINGS, "FOVEA_MODELS": str(repository), "FOVEA_MAX_BATCH": "16"}
        cluster.deploy(settings, min_replicas=2, max_replicas=2, models_per_replica=2)
        asking.begin_anew()
        until(asking.is_well)
    assert asking.failures == []
    assert len(asking.answers) == 1
    until(lambda: counted(cluster, "fovea_inference_requests_total") == before + asking.answers.total())


def test_models_are_loaded_on_demand_and_the_longest_unasked_makes_room(cluster: Machines) -> None:
    names = ("grey", "other", "third")
    listed = json.loads(cluster.get("/v1/models")[1])["models"]
    assert {model["name"]: model["state"] for model in listed} == dict.fromkeys(names, "ready")
    answers: dict[str, bytes] = {}
    for _ in range(4):
        for name in names:
            status, body = cluster.ask("POST", f"/v1/models/{name}/classify", IMAGE)
            assert status == HTTPStatus.OK, body
            assert answers.setdefault(name, body) == body
    assert len(set(answers.values())) == 3
    until(lambda: counted(cluster, "fovea_model_ready") <= 4)  # two replicas of two models each


def test_a_lost_machine_fails_what_it_had_begun_and_nothing_else(cluster: Machines) -> None:
    before = counted(cluster, "fovea_inference_requests_total")
    with Asking(cluster) as asking:
        until(asking.is_well)
        cluster.lose(cluster.running[1])
        asking.begin_anew()
        until(asking.is_well)
    good = {answer for answer in asking.answers if answer[0] == HTTPStatus.OK}
    assert len(good) == 1
    assert {status for status, _ in asking.failures} <= {
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.SERVICE_UNAVAILABLE,
    }
    until(lambda: counted(cluster, "fovea_workers") == 1)
    assert counted(cluster, "fovea_inference_requests_total") >= before


def test_a_new_machine_takes_the_place_of_the_lost_one(cluster: Machines) -> None:
    cluster.add(1)
    until(lambda: counted(cluster, "fovea_workers") == 2)
