"""What we write of a metric is what `prometheus_client`, which is slower, writes of the same, to the byte."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pytest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, SummaryMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import generate_latest as generate_open_metrics

from service.api.exposition import Family, counter, gauge, histogram, labelled, summary, written

HARD = 'a "quoted" C:\\path\nand a new line, ünïcode, {a="b"}'
NUMBERS = (0, 3, 0.1, 1e-7, 1234567.5, 2**53, 1.5e300, float("inf"), float("nan"), -2)
NAMES = ("model", "version")

Written = Callable[..., bytes]


@dataclass
class Collector:
    metrics: Sequence[Metric]

    def collect(self) -> Iterator[Metric]:
        yield from self.metrics


def same(ours: Family, metric: Metric) -> None:
    collector = Collector([metric])
    assert written([ours], open_metrics=False) == generate_latest(collector)
    assert written([ours], open_metrics=True) == generate_open_metrics(collector)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    ("ours", "kind"), [(counter, CounterMetricFamily), (gauge, GaugeMetricFamily)], ids=["counter", "gauge"]
)
def test_numbers_of_every_size_behind_labels(ours: Callable[..., Family], kind: type[Metric]) -> None:
    metric = kind("fovea_some", "What it is: 100 %.", labels=NAMES)  # type: ignore[call-arg]  # of its heirs
    for number, value in enumerate(NUMBERS):
        metric.add_metric((HARD, str(number)), value)  # type: ignore[attr-defined]
    values = [(labelled(NAMES, (HARD, str(number))), value) for number, value in enumerate(NUMBERS)]
    same(ours("fovea_some", "What it is: 100 %.", values), metric)


def test_a_number_without_labels_and_a_metric_without_numbers() -> None:
    same(gauge("fovea_one", "One.", [("", 1.25)]), GaugeMetricFamily("fovea_one", "One.", value=1.25))
    same(counter("fovea_none", "None.", []), CounterMetricFamily("fovea_none", "None.", labels=NAMES))


def test_a_summary() -> None:
    metric = SummaryMetricFamily("fovea_load_seconds", "Loads.", labels=NAMES)
    metric.add_metric(("a", "1"), 3, 0.75)
    same(summary("fovea_load_seconds", "Loads.", [(labelled(NAMES, ("a", "1")), 3, 0.75)]), metric)


@pytest.mark.parametrize("bounds", [(1e-4, 2.5e-4, 0.1, 10.0), (1, 2, 4, 128)], ids=["seconds", "images"])
def test_a_histogram(bounds: Sequence[int | float]) -> None:
    metric, counts = HistogramMetricFamily("fovea_run_seconds", "Runs.", labels=NAMES), [0, 1, 5, 2_000_000, 2_000_001]
    buckets = [
        *((str(float(bound)), count) for bound, count in zip(bounds, counts, strict=False)),
        ("+Inf", counts[-1]),
    ]
    metric.add_metric((HARD, "1"), buckets, 0.3)
    same(histogram("fovea_run_seconds", "Runs.", bounds, [(labelled(NAMES, (HARD, "1")), counts, 0.3)]), metric)
