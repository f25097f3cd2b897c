"""Traces as a collector gets them over OTLP/HTTP: a real receiver, real protobuf."""

import gzip
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from service.api import tracing
from service.api.facts import Facts
from service.app import create_app
from service.errors import TracingUnavailableError
from service.settings import Settings
from tests.service.api.conftest import pixels, png, served, until
from tests.service.api.test_entrance import DOORS, URL, asked

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = {"traceparent": f"00-{TRACE}-{PARENT}-01"}


@dataclass
class Collector:
    """Whatever was sent to /v1/traces; complete once the service has stopped."""

    url: str = ""
    spans: list[Any] = field(default_factory=list)
    resources: list[dict[str, str]] = field(default_factory=list)

    def named(self, name: str) -> list[Any]:
        return [span for span in self.spans if span.name == name]

    def children(self, of: Any) -> dict[str, Any]:
        return {span.name: span for span in self.spans if span.parent_span_id == of.span_id}


def attributes(span: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


@pytest.fixture
def collector() -> Iterator[Collector]:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the OTLP exporter is not installed")
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest  # noqa: PLC0415

    found = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            assert (self.path, self.headers["content-type"]) == ("/v1/traces", "application/x-protobuf")
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                found.resources.append({one.key: one.value.string_value for one in resource.resource.attributes})
                found.spans += [span for scope in resource.scope_spans for span in scope.spans]
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        found.url = f"http://127.0.0.1:{server.server_port}"
        yield found
        server.shutdown()
        thread.join()


@contextmanager
def traced(repository: Path, collector: Collector) -> Iterator[Any]:
    app = create_app(Settings(models=repository, provider="cpu", otlp_endpoint=collector.url))
    with served(app) as client:
        until(lambda: bool(app.state.services.scheduler.statistics.all_started()))
        yield client


@pytest.mark.parametrize("door", list(DOORS))
def test_a_request_is_a_server_span_with_its_stages_and_its_batch_links_to_it(
    repository: Path, collector: Collector, door: str
) -> None:
    with traced(repository, collector) as client:
        assert asked(client, door, **TRACEPARENT, **{"X-Request-ID": "mine-3"}).status_code == 200
    route = "/v2/models/{model}/infer" if door == "v2" else "/v1/models/{model}/classify"
    (span,) = collector.named(f"POST {route}")
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)
    assert span.kind == span.SPAN_KIND_SERVER
    known = attributes(span)
    expected = {"http.response.status_code": 200, "fovea.model": "grey", "fovea.version": 1, "http.route": route}
    assert expected.items() <= known.items()
    assert known["fovea.request_id"] == "mine-3"
    stages = collector.children(span)
    assert set(stages) == {"decode", "queue", "inference"}
    for child in stages.values():
        assert span.start_time_unix_nano <= child.start_time_unix_nano + 2_000_000  # clocks of two calls
        assert child.start_time_unix_nano <= child.end_time_unix_nano <= span.end_time_unix_nano + 2_000_000
    (batch,) = collector.named("batch")
    assert [(link.trace_id, link.span_id) for link in batch.links] == [(span.trace_id, span.span_id)]
    assert attributes(batch) == {"fovea.model": "grey", "fovea.version": 1, "fovea.images": 1}
    assert collector.resources[0]["service.name"] == "fovea"


def test_every_request_is_one_server_span_in_a_trace_of_its_own(repository: Path, collector: Collector) -> None:
    with traced(repository, collector) as client:
        for _ in range(3):
            asked(client, "lane")
        client.post(URL, content=b"<html>")
        client.get("/nowhere", headers={"traceparent": "00-nonsense-01"})
        client.post("/v1/models/broken/classify", content=png(pixels()))
    servers = [span for span in collector.spans if span.kind == span.SPAN_KIND_SERVER]
    statuses = sorted(attributes(span)["http.response.status_code"] for span in servers)
    assert statuses == [200, 200, 200, 404, 415, 503]
    assert len({span.trace_id for span in servers}) == 6
    failed = [span for span in servers if span.status.code == span.status.STATUS_CODE_ERROR]
    assert [attributes(span)["error.type"] for span in failed] == ["model_unavailable"]


def test_a_client_that_does_not_want_to_be_traced_is_not(repository: Path, collector: Collector) -> None:
    with traced(repository, collector) as client:
        for door in DOORS:
            asked(client, door, traceparent=f"00-{TRACE}-{PARENT}-00")
    assert collector.spans == []


def test_a_collector_that_is_not_there_costs_spans_and_no_answer(repository: Path, collector: Collector) -> None:
    gone = Collector(url="http://127.0.0.1:9")
    with traced(repository, gone) as client:
        assert asked(client, "express").status_code == asked(client, "lane").status_code == 200
    assert collector.spans == []


def test_a_collector_that_never_answers_holds_up_no_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the OTLP exporter is not installed")
    monkeypatch.setattr(tracing, "_CLOSE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        traces = tracing.Tracing(f"http://127.0.0.1:{silent.getsockname()[1]}")
        facts = Facts("mine", "GET")
        traces.began(facts, [])
        traces.ended(facts)
        before = time.monotonic()
        traces.close()
        assert time.monotonic() - before < 5  # an export alone waits 10


def test_nothing_of_opentelemetry_is_imported_where_it_is_off() -> None:
    code = (
        "import sys; from service.app import create_app; from service.settings import Settings; create_app(Settings());"
        "print([name for name in sys.modules if name.startswith('opentelemetry.sdk') or 'otlp' in name])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.strip() == "[]"


def test_traces_without_the_package_are_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace.export", None)
    with pytest.raises(TracingUnavailableError, match="install opentelemetry-exporter-otlp-proto-http"):
        create_app(Settings(otlp_endpoint="http://127.0.0.1:4318"))
