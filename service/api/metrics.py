"""GET /metrics: all that is counted, in Prometheus' words. Counts nothing itself: at each scrape it asks who counted.

Durations are seconds. The labels are names of models that were loaded here, templates of routes and closed lists.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from fastapi import APIRouter, Request, Response
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, SummaryMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric

from service import __version__
from service.api.dependencies import AllServices, Services
from service.api.health import readiness
from service.api.http_counts import HttpCounts
from service.engine.durations import BOUNDS, Durations
from service.engine.registry import Slot
from service.engine.statistics import REASONS, Figures, Statistics, Total

router = APIRouter(tags=["health"])

# Imported once, before workers are forked: the same in each of them, and in those that take a dead one's place.
_STARTED = time.time()

# So long after its last run a version that is gone is shown: each that there ever was would make every scrape larger.
# As far as Prometheus looks back, so that whoever scrapes as often as it wants has seen the last runs.
_GONE_SECONDS = 300

_LANE = ("model", "version")
_STAGES = ("decode", "queue", "inference")

Labels = Sequence[str]
Of = Callable[[Figures], int]

_TOTALS: tuple[tuple[str, str, Of], ...] = (
    ("fovea_images", "Images that got scores.", lambda figures: figures.images),
    ("fovea_inference_runs", "Runs of the network; the images of one run are a batch.", lambda figures: figures.runs),
    ("fovea_inference_requests", "Requests that got scores.", lambda figures: figures.success.count),
)
_WAITING: tuple[tuple[str, str, Of], ...] = (
    ("fovea_queue_images", "Images that wait for a run.", lambda figures: figures.waiting_images),
    ("fovea_queue_requests", "Requests that wait for a run.", lambda figures: figures.waiting_requests),
)


@router.get(
    "/metrics",
    summary="What was counted, for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "text exposition"}},
)
async def metrics(request: Request, services: AllServices) -> Response:
    """Requests, durations of decoding, queueing and inference, batch sizes, the queue, refusals and model loads.

    Counts all worker processes together. Prometheus' text format, or OpenMetrics where `Accept` asks for it.
    """
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    statistics, http = services.scheduler.statistics, request.app.state.ledger.counts
    turn = await _turn_seconds()
    if (gather := request.app.state.gather_cells) is not None:
        cells = await gather()
        statistics, http = Statistics(cells), HttpCounts(cells)
    started = _STARTED if gather is None else None
    text = await asyncio.to_thread(encode, Exposition(services, statistics, http, turn, started))
    return Response(text, headers={"Content-Type": content_type})


async def _turn_seconds() -> float:
    """How long a turn of this event loop takes now: small images are answered in it, and wait in no queue."""
    turns = []
    for _ in range(2):  # the first may be the rest of one
        began = time.perf_counter()
        await asyncio.sleep(0)
        turns.append(time.perf_counter() - began)
    return max(turns)


@dataclass(frozen=True)
class Exposition:
    """All metrics of one application, as the library's encoders read them. In no registry: nothing can collide.

    `started_at` is None where replicas on several machines come and go.
    """

    services: Services
    statistics: Statistics
    http: HttpCounts
    turn_seconds: float
    started_at: float | None

    def collect(self) -> Iterator[Metric]:
        yield from _service(self.services, self.statistics)
        yield from _moment(self)
        yield from _http(self.http)
        slots = self.services.registry.all_slots()
        there = {(slot.entry.name, slot.entry.version) for slot in slots}
        shown = self.statistics.all(there, time.time() - _GONE_SECONDS)
        lanes = _labelled(shown)
        yield from _lanes(lanes)
        yield _ready(lanes, slots)
        yield from _loads(self.statistics.loads())
        yield from _live(self.statistics, shown)


def _service(services: Services, statistics: Statistics) -> Iterator[Metric]:
    provider = services.device.provider if services.device else "none"
    info = GaugeMetricFamily("fovea_build_info", "What runs here; always 1.", labels=("version", "provider"))
    info.add_metric((__version__, provider), 1)
    yield info
    yield GaugeMetricFamily("fovea_workers", "Living worker processes.", value=statistics.cells.living())
    ended = statistics.cells.ended()
    yield CounterMetricFamily("fovea_worker_restarts", "Workers that ended and were started again.", value=ended)


def _moment(now: Exposition) -> Iterator[Metric]:
    is_ready = readiness(now.services).status == "ready"
    yield GaugeMetricFamily("fovea_ready", "1 where /health/ready answers 200, else 0.", value=is_ready)
    what = "One turn of the event loop of the worker that was asked, at the scrape."
    yield GaugeMetricFamily("fovea_event_loop_turn_seconds", what, value=now.turn_seconds)
    if now.started_at is not None:
        what = "When the service was started, in seconds since 1970; a worker that was started again changes nothing."
        yield GaugeMetricFamily("fovea_start_time_seconds", what, value=now.started_at)


def _http(counts: HttpCounts) -> Iterator[Metric]:
    answers = sorted(counts.answers().items())
    routes: dict[Labels, list[Durations]] = {}
    for (method, route, _), durations in answers:
        routes.setdefault((method, route), []).append(durations)
    yield _counter(
        "fovea_http_requests",
        "Answered HTTP requests.",
        ("method", "route", "status"),
        (((method, route, str(status)), durations.count) for (method, route, status), durations in answers),
    )
    yield _histogram(
        "fovea_http_request_duration_seconds",
        "From the head of a request to the end of its answer.",
        ("method", "route"),
        ((labels, _together(several)) for labels, several in routes.items()),
    )
    yield GaugeMetricFamily("fovea_http_requests_in_flight", "Requests without an answer yet.", counts.in_flight())
    yield _counter(
        "fovea_requests_refused",
        "Answers that were an error, by its code.",
        ("reason",),
        (((code,), count) for code, count in sorted(counts.refusals().items())),
    )


def _lanes(lanes: Mapping[Labels, Figures]) -> Iterator[Metric]:
    yield from _waiting(lanes)
    yield _histogram(
        "fovea_request_stage_duration_seconds",
        "Of a request: decoding its images, waiting, the run that it was part of.",
        (*_LANE, "stage"),
        (((*lane, stage), getattr(figures, stage)) for lane, figures in lanes.items() for stage in _STAGES),
    )
    for name, what, total in _TOTALS:
        yield _counter(name, what, _LANE, ((lane, total(figures)) for lane, figures in lanes.items()))
    yield _batches(lanes)
    yield _summary(
        "fovea_inference_run_duration_seconds",
        "Runs of the network, whatever the batch.",
        _LANE,
        ((lane, figures.run) for lane, figures in lanes.items()),
    )
    yield _counter(
        "fovea_request_failures",
        "Requests that reached the queue of a model and got no scores.",
        (*_LANE, "reason"),
        (
            ((*lane, reason), figures.failures.get(reason, Total()).count)
            for lane, figures in lanes.items()
            for reason in REASONS
        ),
    )


def _waiting(lanes: Mapping[Labels, Figures]) -> Iterator[Metric]:
    for name, what, now in _WAITING:
        gauge = GaugeMetricFamily(name, what, labels=_LANE)
        for lane, figures in lanes.items():
            gauge.add_metric(lane, now(figures))
        yield gauge


def _ready(lanes: Mapping[Labels, Figures], slots: Iterable[Slot]) -> Metric:
    """0 is a version whose file was refused. What still loads, was unloaded or loads on demand does not fail."""
    gauge = GaugeMetricFamily("fovea_model_ready", "Workers in which this version can answer.", labels=_LANE)
    for slot in slots:
        lane = (slot.entry.name, str(slot.entry.version))
        workers = lanes.get(lane, Figures()).ready_in
        if workers or slot.state == "unavailable":
            gauge.add_metric(lane, workers)
    return gauge


def _batches(lanes: Mapping[Labels, Figures]) -> Metric:
    """Bounds in powers of two: as far as any batch was large."""
    largest = max((size for figures in lanes.values() for size in figures.batches), default=1)
    bounds = [2**power for power in range(max(8, (largest - 1).bit_length() + 1))]
    family = HistogramMetricFamily("fovea_batch_images", "Images of one run.", labels=_LANE)
    for lane, figures in lanes.items():
        counts = [sum(t.count for size, t in figures.batches.items() if size <= bound) for bound in bounds]
        buckets = [(f"{float(bound)}", count) for bound, count in zip(bounds, counts, strict=True)]
        family.add_metric(lane, [*buckets, ("+Inf", figures.runs)], figures.images)
    return family


def _loads(loads: Mapping[tuple[str, bool], Total]) -> Iterator[Metric]:
    by_result = {(model, "success" if good else "failure"): total for (model, good), total in sorted(loads.items())}
    counts = ((labels, total.count) for labels, total in by_result.items())
    yield _counter("fovea_model_loads", "Model files that were loaded, or refused.", ("model", "result"), counts)
    yield _summary(
        "fovea_model_load_duration_seconds",
        "Reading, checking and warming a model file in a worker, after its trial.",
        ("model", "result"),
        by_result.items(),
    )


def _live(statistics: Statistics, shown: Collection[Hashable]) -> Iterator[Metric]:
    """Of a sample of production's images, where there is one."""
    live = statistics.live().items()
    images = sorted((lane, counts) for lane, counts in live if isinstance(lane, tuple) and lane in shown)
    yield _counter(
        "fovea_live_images",
        "Sampled images for live statistics: looked at, let go because others waited, or failed.",
        (*_LANE, "result"),
        (((name, str(of), result), count) for (name, of), counts in images for result, count in counts.items()),
    )
    gauge = GaugeMetricFamily(
        "fovea_live_layer_drifted",
        "Workers whose sampled images have drifted from training in this layer; none before it can be told.",
        labels=(*_LANE, "layer"),
    )
    for (lane, layer), workers in statistics.drifted().items():
        if isinstance(lane, tuple) and lane in shown:
            gauge.add_metric((lane[0], str(lane[1]), layer), workers)
    yield gauge


def _labelled(lanes: Mapping[Hashable, Figures]) -> dict[Labels, Figures]:
    """By the lanes' labels, in order: a lane is a model's name and its version."""
    named = {lane: figures for lane, figures in lanes.items() if isinstance(lane, tuple)}
    return {(name, str(version)): named[name, version] for name, version in sorted(named)}


def _counter(name: str, what: str, labels: Labels, values: Iterable[tuple[Labels, int]]) -> Metric:
    family = CounterMetricFamily(name, what, labels=labels)
    for of, value in values:
        family.add_metric(of, value)
    return family


def _summary(name: str, what: str, labels: Labels, values: Iterable[tuple[Labels, Total]]) -> Metric:
    family = SummaryMetricFamily(name, what, labels=labels)
    for of, total in values:
        family.add_metric(of, total.count, total.seconds)
    return family


def _histogram(name: str, what: str, labels: Labels, values: Iterable[tuple[Labels, Durations]]) -> Metric:
    family = HistogramMetricFamily(name, what, labels=labels)
    for of, durations in values:
        bounds = [*(str(bound) for bound in BOUNDS), "+Inf"]
        family.add_metric(of, list(zip(bounds, accumulate(durations.counts), strict=True)), durations.seconds)
    return family


def _together(several: Sequence[Durations]) -> Durations:
    counts = zip(*(durations.counts for durations in several), strict=True)
    return Durations(sum((durations.seconds for durations in several), 0.0), tuple(map(sum, counts)))
