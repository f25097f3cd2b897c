"""GET /metrics: all that is counted, in Prometheus' words. Counts nothing itself: at each scrape it asks who counted.

Durations are seconds. The labels are names of models that were loaded here, templates of routes and closed lists.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from fastapi import APIRouter, Request, Response
from prometheus_client.exposition import choose_encoder

from service import __version__
from service.api.dependencies import AllServices, Services
from service.api.exposition import Family, counter, gauge, histogram, labelled, summary, written
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

Lane = tuple[str, str]
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
    _, content_type = choose_encoder(request.headers.get("accept", ""))
    statistics, http = services.scheduler.statistics, request.app.state.ledger.counts
    turn = await _turn_seconds()
    if (gather := request.app.state.gather_cells) is not None:
        cells = await gather()
        statistics, http = Statistics(cells), HttpCounts(cells)
    started = _STARTED if gather is None else None
    moment = Moment(services, statistics, http, turn, started)
    open_metrics = content_type.startswith("application/openmetrics-text")
    text = await asyncio.to_thread(lambda: written(families(moment), open_metrics=open_metrics))
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
class Moment:
    """Of what the metrics are read. `started_at` is None where replicas on several machines come and go."""

    services: Services
    statistics: Statistics
    http: HttpCounts
    turn_seconds: float
    started_at: float | None


def families(moment: Moment) -> Iterator[Family]:
    """All metrics of one application."""
    yield from _service(moment.services, moment.statistics)
    yield from _now(moment)
    yield from _http(moment.http)
    slots = moment.services.registry.all_slots()
    there = {(slot.entry.name, slot.entry.version) for slot in slots}
    shown = moment.statistics.all(there, time.time() - _GONE_SECONDS)
    lanes = _by_text(shown)
    yield from _lanes(lanes)
    yield _ready(lanes, slots)
    yield from _loads(moment.statistics.loads())
    yield from _live(moment.statistics, shown)


def _service(services: Services, statistics: Statistics) -> Iterator[Family]:
    provider = services.device.provider if services.device else "none"
    labels = labelled(("provider", "version"), (provider, __version__))
    yield gauge("fovea_build_info", "What runs here; always 1.", [(labels, 1)])
    yield gauge("fovea_workers", "Living worker processes.", [("", statistics.cells.living())])
    ended = statistics.cells.ended()
    yield counter("fovea_worker_restarts", "Workers that ended and were started again.", [("", ended)])


def _now(moment: Moment) -> Iterator[Family]:
    is_ready = readiness(moment.services).status == "ready"
    yield gauge("fovea_ready", "1 where /health/ready answers 200, else 0.", [("", is_ready)])
    what = "One turn of the event loop of the worker that was asked, at the scrape."
    yield gauge("fovea_event_loop_turn_seconds", what, [("", moment.turn_seconds)])
    if moment.started_at is not None:
        what = "When the service was started, in seconds since 1970; a worker that was started again changes nothing."
        yield gauge("fovea_start_time_seconds", what, [("", moment.started_at)])


def _http(counts: HttpCounts) -> Iterator[Family]:
    answers = sorted(counts.answers().items())
    routes: dict[str, list[Durations]] = {}
    for (method, route, _), durations in answers:
        routes.setdefault(labelled(("method", "route"), (method, route)), []).append(durations)
    yield counter(
        "fovea_http_requests",
        "Answered HTTP requests.",
        (
            (labelled(("method", "route", "status"), (method, route, str(status))), durations.count)
            for (method, route, status), durations in answers
        ),
    )
    yield _durations(
        "fovea_http_request_duration_seconds",
        "From the head of a request to the end of its answer.",
        ((labels, _together(several)) for labels, several in routes.items()),
    )
    yield gauge("fovea_http_requests_in_flight", "Requests without an answer yet.", [("", counts.in_flight())])
    yield counter(
        "fovea_requests_refused",
        "Answers that were an error, by its code.",
        ((labelled(("reason",), (code,)), count) for code, count in sorted(counts.refusals().items())),
    )


def _lanes(lanes: Mapping[Lane, Figures]) -> Iterator[Family]:
    by_labels = {labelled(_LANE, lane): figures for lane, figures in lanes.items()}
    for name, what, now in _WAITING:
        yield gauge(name, what, ((labels, now(figures)) for labels, figures in by_labels.items()))
    yield _durations(
        "fovea_request_stage_duration_seconds",
        "Of a request: decoding its images, waiting, the run that it was part of.",
        (
            (labelled((*_LANE, "stage"), (*lane, stage)), getattr(figures, stage))
            for lane, figures in lanes.items()
            for stage in _STAGES
        ),
    )
    for name, what, total in _TOTALS:
        yield counter(name, what, ((labels, total(figures)) for labels, figures in by_labels.items()))
    yield _batches(by_labels)
    yield _totals(
        "fovea_inference_run_duration_seconds",
        "Runs of the network, whatever the batch.",
        ((labels, figures.run) for labels, figures in by_labels.items()),
    )
    yield counter(
        "fovea_request_failures",
        "Requests that reached the queue of a model and got no scores.",
        (
            (labelled((*_LANE, "reason"), (*lane, reason)), figures.failures.get(reason, Total()).count)
            for lane, figures in lanes.items()
            for reason in REASONS
        ),
    )


def _ready(lanes: Mapping[Lane, Figures], slots: Iterable[Slot]) -> Family:
    """0 is a version whose file was refused. What still loads, was unloaded or loads on demand does not fail."""
    values = []
    for slot in slots:
        lane = (slot.entry.name, str(slot.entry.version))
        workers = lanes.get(lane, Figures()).ready_in
        if workers or slot.state == "unavailable":
            values.append((labelled(_LANE, lane), workers))
    return gauge("fovea_model_ready", "Workers in which this version can answer.", values)


def _batches(lanes: Mapping[str, Figures]) -> Family:
    """Bounds in powers of two: as far as any batch was large."""
    largest = max((size for figures in lanes.values() for size in figures.batches), default=1)
    bounds = [2**power for power in range(max(8, (largest - 1).bit_length() + 1))]

    def counts(figures: Figures) -> list[int]:
        upto = [sum(t.count for size, t in figures.batches.items() if size <= bound) for bound in bounds]
        return [*upto, figures.runs]

    values = ((labels, counts(figures), figures.images) for labels, figures in lanes.items())
    return histogram("fovea_batch_images", "Images of one run.", bounds, values)


def _loads(loads: Mapping[tuple[str, bool], Total]) -> Iterator[Family]:
    by_result = {
        labelled(("model", "result"), (model, "success" if good else "failure")): total
        for (model, good), total in sorted(loads.items())
    }
    counts = ((labels, total.count) for labels, total in by_result.items())
    yield counter("fovea_model_loads", "Model files that were loaded, or refused.", counts)
    yield _totals(
        "fovea_model_load_duration_seconds",
        "Reading, checking and warming a model file in a worker, after its trial.",
        by_result.items(),
    )


def _live(statistics: Statistics, shown: Collection[Hashable]) -> Iterator[Family]:
    """Of a sample of production's images, where there is one."""
    live = statistics.live().items()
    images = sorted((lane, counts) for lane, counts in live if isinstance(lane, tuple) and lane in shown)
    yield counter(
        "fovea_live_images",
        "Sampled images for live statistics: looked at, let go because others waited, or failed.",
        (
            (labelled((*_LANE, "result"), (name, str(version), result)), count)
            for (name, version), counts in images
            for result, count in counts.items()
        ),
    )
    drifted = (
        (labelled((*_LANE, "layer"), (lane[0], str(lane[1]), layer)), workers)
        for (lane, layer), workers in statistics.drifted().items()
        if isinstance(lane, tuple) and lane in shown
    )
    what = "Workers whose sampled images have drifted from training in this layer; none before it can be told."
    yield gauge("fovea_live_layer_drifted", what, drifted)


def _by_text(lanes: Mapping[Hashable, Figures]) -> dict[Lane, Figures]:
    """By the values of the lanes' labels, in order: a lane is a model's name and its version."""
    named = {lane: figures for lane, figures in lanes.items() if isinstance(lane, tuple)}
    return {(name, str(version)): named[name, version] for name, version in sorted(named)}


def _totals(name: str, what: str, values: Iterable[tuple[str, Total]]) -> Family:
    return summary(name, what, ((labels, total.count, total.seconds) for labels, total in values))


def _durations(name: str, what: str, values: Iterable[tuple[str, Durations]]) -> Family:
    counted = ((labels, list(accumulate(durations.counts)), durations.seconds) for labels, durations in values)
    return histogram(name, what, BOUNDS, counted)


def _together(several: Sequence[Durations]) -> Durations:
    counts = zip(*(durations.counts for durations in several), strict=True)
    return Durations(sum((durations.seconds for durations in several), 0.0), tuple(map(sum, counts)))
