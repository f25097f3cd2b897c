"""OpenTelemetry traces over OTLP/HTTP: a server span for each request, its stages as children, a span for each batch.

Nothing of OpenTelemetry is imported unless traces are switched on. Its own variables (OTEL_SERVICE_NAME,
OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS and so on) hold as its specification says.
"""

import os
import threading
import time
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from service import __version__
from service.api.facts import Facts
from service.engine.turn import Network
from service.errors import TracingUnavailableError

if TYPE_CHECKING:
    from opentelemetry.trace import Span

_MODULES = ("opentelemetry.sdk.trace.export", "opentelemetry.exporter.otlp.proto.http.trace_exporter")
_CLOSE_SECONDS = 3.0  # OpenTelemetry itself waits 30, and whoever stops the service waits for that too
_CONTEXT = frozenset({b"traceparent", b"tracestate"})


def check() -> None:
    """Imports what traces need, for all workers at once; raises TracingUnavailableError where it is not installed."""
    try:
        for module in _MODULES:
            import_module(module)
    except ImportError as error:
        raise TracingUnavailableError(error.name or str(error)) from error


class Tracing:
    """Thread-safe. A full queue or a collector that does not answer loses spans, never requests."""

    def __init__(self, endpoint: str) -> None:
        """`endpoint` is the collector's, as http://collector:4318. Starts a thread: made where the requests are."""
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        named = {"service.name": os.environ.get("OTEL_SERVICE_NAME", "fovea"), "service.version": __version__}
        self._provider = TracerProvider(resource=Resource.create(named))
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("fovea", __version__)
        self._propagator = TraceContextTextMapPropagator()

    def began(self, facts: Facts, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Opens the request's span, in the trace that its client names, and notes it among the facts."""
        from opentelemetry.trace import SpanKind  # noqa: PLC0415

        sent = {name.decode(): value.decode("latin-1") for name, value in headers if name in _CONTEXT}
        parent = self._propagator.extract(sent)
        kind, start = SpanKind.SERVER, _epoch(facts.began)
        facts.trace = self._tracer.start_span(facts.method, parent, kind, start_time=start)

    def ended(self, facts: Facts) -> None:
        """Closes it, with its stages."""
        from opentelemetry.trace import StatusCode, set_span_in_context  # noqa: PLC0415

        span: Span = facts.trace
        span.update_name(f"{facts.method} {facts.route}")
        span.set_attributes(_attributes(facts))
        if facts.status >= 500:
            span.set_status(StatusCode.ERROR)
        within = set_span_in_context(span)
        for name, began, ended in _stages(facts):
            self._tracer.start_span(name, within, start_time=_epoch(began)).end(_epoch(ended))
        span.end(_epoch(facts.ended or time.monotonic()))

    def ran(self, traces: Sequence[Any], network: Network, images: int, began: float, ended: float) -> None:
        """One run of a network, linked to the requests whose images it was of. Times are `time.monotonic` seconds."""
        from opentelemetry.context import Context  # noqa: PLC0415
        from opentelemetry.trace import Link  # noqa: PLC0415

        contexts = (trace.get_span_context() for trace in traces if trace is not None)
        links = [Link(context) for context in contexts if context.trace_flags.sampled]
        if not links:
            return
        about: dict[str, Any] = {"fovea.model": network.name, "fovea.version": network.version, "fovea.images": images}
        span = self._tracer.start_span("batch", Context(), attributes=about, links=links, start_time=_epoch(began))
        span.end(_epoch(ended))

    def close(self) -> None:
        """Sends what waits; after three seconds it is left to a thread that ends with the process."""
        closing = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)


def _attributes(facts: Facts) -> dict[str, Any]:
    """By OpenTelemetry's semantic conventions for HTTP servers; what they do not name is ours."""
    known = {
        "http.request.method": facts.method,
        "http.route": facts.route,
        "http.response.status_code": facts.status,
        "http.request.body.size": facts.bytes_in,
        "http.response.body.size": facts.bytes_out,
        "client.address": facts.client,
        "error.type": facts.code,
        "fovea.request_id": facts.request_id,
        "fovea.model": facts.model,
        "fovea.version": facts.version,
        "fovea.provider": facts.provider,
    }
    return {name: value for name, value in known.items() if value is not None}


def _stages(facts: Facts) -> list[tuple[str, float, float]]:
    if facts.stages is None:
        return []
    arrived, decoded, started, ended = facts.stages
    found = [("decode", arrived, decoded)]
    if started is not None and ended is not None:
        found += [("queue", decoded, max(started, decoded)), ("inference", started, ended)]
    return found


def _epoch(seconds: float) -> int:
    """A time of `time.monotonic` in nanoseconds since 1970."""
    return time.time_ns() + int((seconds - time.monotonic()) * 1e9)
