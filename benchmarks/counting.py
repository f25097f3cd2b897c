"""What counting one request costs: our cells, and the same counts with prometheus_client's own metrics.

    python -m benchmarks.counting

The library's multiprocess mode is chosen at import, so each way runs in a process of its own, three times in turn; the
least of them is printed.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

WAYS = ("cells", "library", "library, several processes")
ROUNDS, TIMES = 7, 10_000
LANE = ("mnist", 1)
ROUTE = "/v1/models/{model}/classify"


def main() -> None:
    if len(sys.argv) > 1:
        print(_microseconds(_cells() if sys.argv[1] == "cells" else _library()))
        return
    measured: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(3):
        for way in WAYS:
            measured[way].append(_of(way))
    for way, microseconds in measured.items():
        print(f"{way:30} {min(microseconds):6.2f} µs a request (at most {max(microseconds):.2f})")


def _of(way: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        several = {"PROMETHEUS_MULTIPROC_DIR": folder} if "several" in way else {}
        program = [sys.executable, "-m", "benchmarks.counting", way.split(",", maxsplit=1)[0]]
        return float(subprocess.check_output(program, env={**os.environ, **several}))  # noqa: S603 - our own


def _microseconds(count: Callable[[], None]) -> float:
    least = float("inf")
    for _ in range(ROUNDS):
        before = time.perf_counter()
        for _ in range(TIMES):
            count()
        least = min(least, time.perf_counter() - before)
    return 1e6 * least / TIMES


def _cells() -> Callable[[], None]:
    from service.api.http_counts import HttpCounts  # noqa: PLC0415
    from service.engine.cells import Cells  # noqa: PLC0415
    from service.engine.statistics import Statistics  # noqa: PLC0415

    cells = Cells(parts=2)
    http, statistics = HttpCounts(cells), Statistics(cells)

    def count() -> None:
        http.began()
        statistics.decoded(LANE, 0.00015)
        statistics.waits(LANE, 1)
        statistics.left(LANE, 1)
        statistics.answered(LANE, 1, [0.00015], 0.00015)
        http.answered("POST", ROUTE, 200, 0.00015)

    return count


def _library() -> Callable[[], None]:
    """The labels looked up before, as fast as it goes."""
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram  # noqa: PLC0415

    from service.engine.durations import BOUNDS  # noqa: PLC0415

    registry = CollectorRegistry()
    lane = [LANE[0], str(LANE[1])]
    stages = Histogram("stage_seconds", "-", ["model", "version", "stage"], registry=registry, buckets=BOUNDS)
    http = Histogram("http_seconds", "-", ["method", "route", "status"], registry=registry, buckets=BOUNDS)
    sizes = Histogram("images", "-", ["model", "version"], registry=registry, buckets=(1, 2, 4, 8, 16, 32, 64))
    seconds = Counter("of_size_seconds", "-", ["model", "version", "size"], registry=registry).labels(*lane, "1")
    last = Gauge("last_run", "-", ["model", "version"], registry=registry, multiprocess_mode="max").labels(*lane)
    flying = Gauge("in_flight", "-", registry=registry, multiprocess_mode="livesum")
    waiting = [
        Gauge(name, "-", ["model", "version"], registry=registry, multiprocess_mode="livesum").labels(*lane)
        for name in ("queue_images", "queue_requests")
    ]
    observed = [stages.labels(*lane, stage) for stage in ("decode", "queue", "inference")]
    observed += [http.labels("POST", ROUTE, "200")]
    size = sizes.labels(*lane)

    def count() -> None:
        flying.inc()
        for gauge in waiting:
            gauge.inc()
            gauge.dec()
        for histogram in observed:
            histogram.observe(0.00015)
        size.observe(1)
        seconds.inc(0.00015)
        last.set(time.time())
        flying.dec()

    return count


if __name__ == "__main__":
    main()
