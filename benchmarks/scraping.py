"""What a scrape of /metrics costs by models, and what prometheus_client takes to write the same.

    python -m benchmarks.scraping

The least of ten, in one process that does nothing else. The library is given its own families, already collected.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from service.api.dependencies import Services
from service.api.exposition import written
from service.api.http_counts import HttpCounts
from service.api.metrics import Moment, families
from service.app import create_app
from service.engine.cells import Cells
from service.engine.statistics import Statistics
from service.settings import Settings

MODELS = (1, 10, 50, 100)
WORKERS = 4
_TIMES = 10


@dataclass
class _Collected:
    metrics: list[Metric]

    def collect(self) -> Iterator[Metric]:
        yield from self.metrics


async def main() -> None:
    with TemporaryDirectory() as folder:
        app = create_app(Settings(models=Path(folder), provider="cpu"))
        async with app.router.lifespan_context(app):
            _compare(app.state.services)


def _compare(services: Services) -> None:
    for models in MODELS:
        cells = _counted(models)
        moment = Moment(services, Statistics(cells), HttpCounts(cells), 0.001, time.time())
        text = _scraped(moment)
        collected = _Collected(list(text_string_to_metric_families(text.decode())))
        lines, ours = text.count(b"\n"), _milliseconds(partial(_scraped, moment))
        theirs = _milliseconds(partial(generate_latest, collected))
        print(f"{models:4} models, {lines:6,} lines: {ours:6.1f} ms; the library's writing alone {theirs:6.1f} ms")


def _scraped(moment: Moment) -> bytes:
    return written(families(moment), open_metrics=False)


def _counted(models: int) -> Cells:
    """Each of `WORKERS` ran each model in batches of six sizes."""
    cells = Cells(WORKERS)
    for worker in range(WORKERS):
        cells.become(worker)
        statistics = Statistics(cells)
        for model in range(models):
            lane = (f"model-{model}", 1)
            statistics.ready(lane, is_ready=True)
            statistics.decoded(lane, 0.001)
            for power in range(6):
                statistics.answered(lane, 2**power, [0.002] * 2**power, 0.003)
    return cells


def _milliseconds(work: Callable[[], object]) -> float:
    least = float("inf")
    for _ in range(_TIMES):
        before = time.perf_counter()
        work()
        least = min(least, time.perf_counter() - before)
    return 1e3 * least


if __name__ == "__main__":
    asyncio.run(main())
