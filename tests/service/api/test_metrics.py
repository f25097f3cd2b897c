"""GET /metrics as Prometheus reads it, over a service of its own, so that every count is known exactly."""

import asyncio
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families as families
from starlette.types import Message, Receive, Scope, Send

from service.api import metrics
from service.api.http_counts import HttpCounts
from service.api.ledger import Ledger, Recorded
from service.api.metrics import _turn_seconds
from service.app import create_app
from service.engine.cells import Cells
from service.settings import Settings
from tests import tiny_models
from tests.service.api.conftest import named, pixels, png, put, served, until
from tests.service.engine.conftest import Gate, images

CLASSIFY = "/v1/models/{model}/classify"
URL = "/v1/models/grey/classify"
PICTURE = png(pixels())
LARGE = png(pixels(side=300))
GREY = {"model": "grey", "version": "1"}


class Scrape(dict[tuple[str, frozenset[tuple[str, str]]], float]):
    """Samples by name and labels; what is not there is 0."""

    def __init__(self, text: str) -> None:
        samples = [sample for family in families(text) for sample in family.samples]
        super().__init__({(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples})

    def of(self, name: str, **labels: str) -> float:
        return self.get((name, frozenset(labels.items())), 0.0)

    def total(self, name: str) -> float:
        return sum(value for (sample, _), value in self.items() if sample == name)

    def label(self, label: str) -> set[str]:
        return {value for _, labels in self for key, value in labels if key == label}


def scraped(client: httpx.Client) -> Scrape:
    return Scrape(client.get("/metrics").raise_for_status().text)


@pytest.fixture
def app(repository: Path) -> FastAPI:
    return create_app(Settings(models=repository, provider="cpu", max_waiting_images=1, max_body_bytes=1_000_000))


@pytest.fixture
def fresh(app: FastAPI) -> Iterator[httpx.Client]:
    """Of a service that nobody else asks, once it is ready."""
    with served(app) as client:
        until(lambda: bool(app.state.services.scheduler.statistics.all_started()))
        yield client


def test_a_known_sequence_of_requests_is_counted_exactly(fresh: httpx.Client) -> None:
    assert [fresh.post(URL, content=body).status_code for body in (PICTURE, b"<html>", PICTURE[:60])] == [
        200,
        415,
        422,
    ]
    assert fresh.post("/v1/models/nobody/classify", content=PICTURE).status_code == 404
    assert fresh.post(URL, files=[("file", PICTURE), ("file", PICTURE), ("file", b"x")]).status_code == 200
    assert fresh.get("/nowhere").status_code == 404
    found = scraped(fresh)
    for status, count in (("200", 2), ("415", 1), ("422", 1), ("404", 1)):
        assert found.of("fovea_http_requests_total", method="POST", route=CLASSIFY, status=status) == count
    assert found.of("fovea_http_requests_total", method="GET", route="unknown", status="404") == 1
    assert found.total("fovea_http_requests_total") == 6
    assert found.of("fovea_http_request_duration_seconds_count", method="POST", route=CLASSIFY) == 5
    assert found.of("fovea_http_requests_in_flight") == 1  # the scrape
    for reason in ("image_format_unsupported", "image_corrupt", "model_unknown", "not_found"):
        assert found.of("fovea_requests_refused_total", reason=reason) == 1
    for stage, count in (("decode", 4), ("queue", 2), ("inference", 2)):
        assert found.of("fovea_request_stage_duration_seconds_count", **GREY, stage=stage) == count
        assert found.of("fovea_request_stage_duration_seconds_sum", **GREY, stage=stage) > 0
    assert (found.of("fovea_images_total", **GREY), found.of("fovea_inference_runs_total", **GREY)) == (3, 2)
    assert [found.of("fovea_batch_images_bucket", **GREY, le=le) for le in ("1.0", "2.0", "+Inf")] == [1, 2, 2]
    assert found.of("fovea_queue_images", **GREY) == 0


def test_the_durations_of_a_stage_add_up(fresh: httpx.Client) -> None:
    fresh.post(URL, content=PICTURE)
    found = scraped(fresh)
    name = "fovea_request_stage_duration_seconds"
    inside = sum(found.of(f"{name}_sum", **GREY, stage=stage) for stage in ("decode", "queue", "inference"))
    whole = found.of("fovea_http_request_duration_seconds_sum", method="POST", route=CLASSIFY)
    assert 0 < inside < whole
    assert found.of("fovea_inference_run_duration_seconds_sum", **GREY) == pytest.approx(
        found.of(f"{name}_sum", **GREY, stage="inference")
    )


def test_who_is_refused_and_who_waits_is_seen(app: FastAPI, fresh: httpx.Client) -> None:
    held, scheduler = Gate("grey"), app.state.services.scheduler
    try:
        for _ in app.state.services.device.executors:
            scheduler.submit(held, images(1), 60.0)
            assert held.entered.wait(10)
            held.entered.clear()
        scheduler.submit(held, images(2), 60.0)
        assert fresh.post(URL, content=LARGE).status_code == 503
        found = scraped(fresh)
    finally:
        held.open.set()
    assert (found.of("fovea_queue_images", **GREY), found.of("fovea_queue_requests", **GREY)) == (1, 1)
    assert found.of("fovea_requests_refused_total", reason="overloaded") == 1
    assert found.of("fovea_request_failures_total", **GREY, reason="overloaded") == 1
    assert found.of("fovea_request_failures_total", **GREY, reason="expired") == 0
    assert found.of("fovea_http_requests_total", method="POST", route=CLASSIFY, status="503") == 1


def test_the_statistics_of_the_protocol_are_the_same_numbers(fresh: httpx.Client) -> None:
    for files in (1, 1, 3):
        fresh.post(URL, files=[("file", PICTURE)] * files)
    (stats,) = fresh.get("/v2/models/grey/stats").json()["model_stats"]
    found = scraped(fresh)
    assert found.of("fovea_images_total", **GREY) == stats["inference_count"] == 5
    assert found.of("fovea_inference_runs_total", **GREY) == stats["execution_count"] == 3
    of = stats["inference_stats"]
    assert found.of("fovea_inference_requests_total", **GREY) == of["success"]["count"] == 3
    for stage, part in (("decode", "compute_input"), ("queue", "queue"), ("inference", "compute_infer")):
        for sample, key, unit in (("count", "count", 1), ("sum", "ns", 1e-9)):
            sampled = found.of(f"fovea_request_stage_duration_seconds_{sample}", **GREY, stage=stage)
            assert sampled == pytest.approx(of[part][key] * unit, rel=1e-6)
    assert {entry["batch_size"]: entry["compute_infer"]["count"] for entry in stats["batch_stats"]} == {1: 2, 3: 1}


def test_no_client_can_invent_a_label(fresh: httpx.Client) -> None:
    before = scraped(fresh)
    for name in ("a", "b", "x" * 300, "..%2f", "grey%0a"):
        fresh.post(f"/v1/models/{name}/classify", content=PICTURE)
        fresh.post(f"/v1/models/grey/versions/{name}/classify", content=PICTURE)
        fresh.get(f"/v2/models/{name}/stats")
        fresh.get(f"/{name}")
    fresh.request("PROPFIND", "/v1/models")
    found = scraped(fresh)
    assert found.label("model") == before.label("model") == {"grey", "foreign", "probable", "broken", "upscaler"}
    assert found.label("version") == before.label("version")
    assert found.label("method") == {"GET", "POST", "other"}
    templates = set(fresh.get("/openapi.json").json()["paths"])
    assert found.label("route") - templates == {"unknown", "/v2/models/{model}/stats"}
    assert found.label("status") == {"200", "404", "405"}


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("POST", URL, CLASSIFY),
        ("POST", f"{URL}?&", CLASSIFY),
        ("POST", "/v1/models/grey/versions/1/classify", "/v1/models/{model}/versions/{version}/classify"),
        ("POST", "/v1/models/grey/versions/1/classify?&", "/v1/models/{model}/versions/{version}/classify"),
        ("GET", "/v1/models/grey/layer-shapes", "/v1/models/{model}/layer-shapes"),
        ("PUT", "/v1/models", "/v1/models"),
        ("GET", "/v2", "/v2"),
        ("GET", "/openapi.json", "other"),
        ("GET", "/v1/nowhere", "unknown"),
    ],
)
def test_every_way_to_a_route_counts_for_its_whole_template(
    client: httpx.Client, method: str, path: str, route: str
) -> None:
    before = scraped(client)
    status = client.request(method, path, content=PICTURE if method == "POST" else None).status_code
    labels = {"method": method, "route": route, "status": str(status)}
    found = scraped(client)
    assert found.of("fovea_http_requests_total", **labels) - before.of("fovea_http_requests_total", **labels) == 1
    assert found.total("fovea_http_requests_total") - before.total("fovea_http_requests_total") == 2  # with a scrape


def test_a_prefix_of_a_proxy_is_no_part_of_a_route(repository: Path) -> None:
    app = create_app(Settings(models=repository, provider="cpu", root_path="/vision"))
    with served(app) as client:
        client.get("/vision/v1/models")
        assert scraped(client).of("fovea_http_requests_total", method="GET", route="/v1/models", status="200") == 1


def test_a_defect_of_ours_counts_as_the_500_that_the_client_gets(app: FastAPI, fresh: httpx.Client) -> None:
    @app.get("/defect")
    async def defect() -> None:
        raise RuntimeError

    assert fresh.get("/defect", headers={"Connection": "close"}).status_code == 500
    found = scraped(fresh)
    assert found.of("fovea_http_requests_total", method="GET", route="/defect", status="500") == 1
    assert found.of("fovea_requests_refused_total", reason="internal_error") == 1


def test_a_request_that_nobody_answers_counts_as_one_whose_client_left() -> None:
    async def silent(_scope: Scope, _receive: Receive, _send: Send) -> None: ...

    async def nothing(*_: Message) -> Any: ...

    counts = HttpCounts(Cells())
    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    asyncio.run(Recorded(silent, Ledger(counts))(scope, nothing, nothing))
    assert [(key, durations.count) for key, durations in counts.answers().items()] == [(("GET", "unknown", 499), 1)]
    assert counts.in_flight() == 0


def test_a_door_before_the_application_counts_with_plain_calls(app: FastAPI, fresh: httpx.Client) -> None:
    counts: HttpCounts = app.state.ledger.counts
    counts.began()
    counts.answered("POST", CLASSIFY, 200, 0.0003)
    found = scraped(fresh)
    assert found.of("fovea_http_requests_total", method="POST", route=CLASSIFY, status="200") == 1
    name = "fovea_http_request_duration_seconds_bucket"
    assert [found.of(name, method="POST", route=CLASSIFY, le=le) for le in ("0.00025", "0.0005")] == [0, 1]


def test_models_are_counted_as_they_load_and_ready_while_they_are_there(tmp_path: Path) -> None:
    put(tmp_path, "grey", named(tiny_models.classifier(layout="NHWC", dtype=tiny_models.UINT8, channels=1)))
    put(tmp_path, "grey", tiny_models.upscaler(), version=2)
    (tmp_path / "bad" / "1").mkdir(parents=True)
    (tmp_path / "bad" / "1" / "model.onnx").write_bytes(b"no model")
    app = create_app(Settings(models=tmp_path, provider="cpu", poll_seconds=0))
    with served(app) as client:
        until(lambda: bool(app.state.services.scheduler.statistics.all_started()))
        found = scraped(client)
        assert found.of("fovea_model_loads_total", model="grey", result="success") == 2
        assert found.of("fovea_model_loads_total", model="bad", result="failure") == 1
        assert found.of("fovea_model_load_duration_seconds_count", model="grey", result="success") == 2
        assert found.of("fovea_model_load_duration_seconds_sum", model="grey", result="success") > 0
        ready = {("grey", "1"): 1, ("grey", "2"): 1, ("bad", "1"): 0}
        for (model, version), workers in ready.items():
            assert found["fovea_model_ready", frozenset({("model", model), ("version", version)})] == workers
        app.state.watcher.unload("grey", "2")
        assert not is_stated(scraped(client), "2")
        (tmp_path / "grey" / "1" / "model.onnx").unlink()
        app.state.watcher.reload()
        assert not is_stated(scraped(client), "1")


def test_a_version_that_is_gone_is_shown_until_its_last_runs_have_been_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every version that there ever was would make every scrape larger."""
    for version in (1, 2):
        put(
            tmp_path, "grey", named(tiny_models.classifier(layout="NHWC", dtype=tiny_models.UINT8, channels=1)), version
        )
    app = create_app(Settings(models=tmp_path, provider="cpu", poll_seconds=0))
    with served(app) as client:
        until(lambda: bool(app.state.services.scheduler.statistics.all_started()))
        assert client.post("/v1/models/grey/versions/1/classify", content=PICTURE).status_code == 200
        shutil.rmtree(tmp_path / "grey" / "1")
        app.state.watcher.reload()
        assert scraped(client).of("fovea_images_total", **GREY) == 1
        monkeypatch.setattr(metrics, "_GONE_SECONDS", -1)
        found = scraped(client)
    assert not [key for _, key in found if ("version", "1") in key and ("model", "grey") in key]
    assert ("fovea_images_total", frozenset({("model", "grey"), ("version", "2")})) in found


def is_stated(found: Scrape, version: str) -> bool:
    """Whether anything is said of how ready this version of `grey` is."""
    return ("fovea_model_ready", frozenset({"model": "grey", "version": version}.items())) in found


def test_a_version_that_loads_or_loads_on_demand_is_none_that_fails(app: FastAPI, fresh: httpx.Client) -> None:
    registry = app.state.services.registry
    slot = registry.slot("grey", "1")
    app.state.services.scheduler.statistics.ready(("grey", 1), is_ready=False)
    for state, stated in (("loading", False), ("ready", False), ("unavailable", True)):
        registry.put(replace(slot, state=state, classifier=None))
        assert is_stated(scraped(fresh), "1") == stated, state


def test_ready_is_what_the_probe_says_whatever_models_there_are(tmp_path: Path, fresh: httpx.Client) -> None:
    assert fresh.get("/health/ready").status_code == 200
    assert scraped(fresh).of("fovea_ready") == 1
    with served(create_app(Settings(models=tmp_path, provider="cpu"))) as empty:
        assert empty.get("/health/ready").status_code == 503
        found = scraped(empty)
    assert found["fovea_ready", frozenset()] == 0
    assert found.total("fovea_model_ready") == 0


def test_the_start_of_the_service_is_stated_and_stays(fresh: httpx.Client) -> None:
    begun = scraped(fresh).of("fovea_start_time_seconds")
    assert 0 < time.time() - begun < time.clock_gettime(time.CLOCK_BOOTTIME)
    assert scraped(fresh).of("fovea_start_time_seconds") == begun


def test_replicas_on_several_machines_state_no_start(app: FastAPI, fresh: httpx.Client) -> None:
    cells: Cells = app.state.services.scheduler.statistics.cells

    async def gathered() -> Cells:
        return cells

    app.state.gather_cells = gathered
    assert ("fovea_start_time_seconds", frozenset()) not in scraped(fresh)


def test_work_in_the_event_loop_is_seen_in_the_length_of_its_turn() -> None:
    async def measured() -> float:
        asyncio.get_running_loop().call_soon(time.sleep, 0.05)
        return await _turn_seconds()

    assert asyncio.run(measured()) >= 0.05


def test_the_answer_is_prometheus_text_and_openmetrics_where_it_is_asked_for(client: httpx.Client) -> None:
    client.post(URL, content=PICTURE)
    plain = client.get("/metrics")
    assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    asked = {"Accept": "application/openmetrics-text; version=1.0.0"}
    open_metrics = client.get("/metrics", headers=asked)
    assert open_metrics.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    parsed = {family.name: family for family in families(plain.text)}
    assert parsed.keys() == {family.name for family in openmetrics_families(open_metrics.text)}  # type: ignore[no-untyped-call]
    for name, family in parsed.items():
        assert name.startswith("fovea_")
        assert family.documentation
        assert "_seconds" in name or "duration" not in name


def test_each_sample_is_there_once_and_buckets_only_grow(client: httpx.Client) -> None:
    for files in (1, 3):
        client.post(URL, files=[("file", PICTURE)] * files)
    lines = [line.rsplit(" ", 1)[0] for line in client.get("/metrics").text.splitlines() if not line.startswith("#")]
    assert len(lines) == len(set(lines))
    for family in families(client.get("/metrics").text):
        series: dict[str, list[float]] = {}
        for sample in family.samples:
            if sample.name.endswith("_bucket"):
                series.setdefault(str({**sample.labels, "le": ""}), []).append(sample.value)
        assert all(values == sorted(values) for values in series.values())


def test_an_application_never_sees_the_counts_of_another(client: httpx.Client, repository: Path) -> None:
    client.get("/v1/models")
    with served(create_app(Settings(models=repository, provider="cpu"))) as other:
        assert scraped(other).total("fovea_http_requests_total") == 0


def test_every_metric_is_in_the_decision_that_lists_them(client: httpx.Client) -> None:
    client.get("/nowhere")
    page = Path("docs/decisions/0008-metrics.md").read_text()
    exposed = set(re.findall(r"^# TYPE (\S+)", client.get("/metrics").text, re.MULTILINE))
    listed = set(re.findall(r"^\| `(fovea_\w+)", page, re.MULTILINE))
    assert listed == exposed
