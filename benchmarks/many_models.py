"""Whether 50 loaded models slow a single one: its throughput with 1 loaded beside that with 50, in turn.

    python -m benchmarks.many_models

The 50 are copies of `mnist` under names of their own; only one is asked.
"""

import shutil
import statistics
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import closed_loop, processes, systems
from benchmarks.environments import ROOT
from benchmarks.pictures import RAW, seven
from benchmarks.report import Goal, Section, spread, table
from benchmarks.server import running
from benchmarks.throughput import ratios

COUNTS = (1, 50)
CONNECTIONS = 16
ROUNDS, SECONDS = 3, 3


def section(rounds: int = ROUNDS, seconds: int = SECONDS) -> Section:
    """Every second round in the other order."""
    seen: dict[int, list[dict[str, float]]] = {count: [] for count in COUNTS}
    with TemporaryDirectory() as folder:
        for count in COUNTS:
            _repository(Path(folder) / str(count), count)
        for number in range(rounds):
            for count in COUNTS if number % 2 == 0 else COUNTS[::-1]:
                print(f"round {number + 1}: {count} models", file=sys.stderr)
                seen[count].append(_measured(Path(folder) / str(count), seconds))
    return _section(seen)


def _measured(models: Path, seconds: int) -> dict[str, float]:
    picture = seven()
    with running(systems.fovea(models, "model-0")) as server:
        closed_loop.measure(server.url(RAW), picture, RAW, CONNECTIONS, 1)
        before = processes.cpu_seconds(server.process.pid)
        told = closed_loop.measure(server.url(RAW), picture, RAW, CONNECTIONS, seconds)
        used = processes.cpu_seconds(server.process.pid) - before
        memory = processes.memory(server.process.pid)
    requests = told.requests_per_second * seconds
    return {
        "rate": told.requests_per_second,
        "cpu_ms": 1e3 * used / max(1.0, requests),
        "median_ms": told.median_ms,
        "p99_ms": told.p99_ms,
        "failures": told.failures,
        "resident": memory.resident,
        "proportional": memory.proportional,
    }


def _section(seen: dict[int, list[dict[str, float]]]) -> Section:
    def column(count: int, figure: str) -> list[float]:
        return [run[figure] for run in seen[count]]

    def median(count: int, figure: str) -> str:
        return f"{statistics.median(column(count, figure)):.0f}"

    rows = [
        (
            count,
            spread(column(count, "rate"), 0),
            spread(column(count, "cpu_ms"), 3),
            median(count, "p99_ms"),
            f"{sum(column(count, 'failures')):.0f}",
            f"{median(count, 'resident')}; {median(count, 'proportional')}",
        )
        for count in COUNTS
    ]
    head = (
        "loaded",
        "requests/s to one of them",
        "server CPU ms a request",
        "p99 ms",
        "failed",
        "memory MiB: RSS; PSS",
    )
    one, fifty = (column(count, "rate") for count in COUNTS)
    goals = (
        Goal("one of 50 loaded models / the same loaded alone, throughput", ">= 0.95", spread(ratios(fifty, one))),
        Goal(
            "the same, CPU time a request",
            "<= 1.05",
            spread(ratios(column(COUNTS[1], "cpu_ms"), column(COUNTS[0], "cpu_ms"))),
        ),
    )
    text = f"Copies of `mnist`; raw body, {CONNECTIONS} connections.\n\n" + table(head, rows)
    return Section("Fifty models", text, goals, seen)


def _repository(folder: Path, count: int) -> None:
    source = ROOT / "models/mnist/1/model.onnx"
    for number in range(count):
        target = folder / f"model-{number}/1/model.onnx"
        target.parent.mkdir(parents=True)
        shutil.copyfile(source, target)


if __name__ == "__main__":
    print(section().markdown())
