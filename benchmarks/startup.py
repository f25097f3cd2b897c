"""Times from starting the process until it is ready, and the memory it then holds, with the models that ship.

    python -m benchmarks.startup

With the service's defaults, and as it is set for the other benchmarks (its worker processes included).
"""

import statistics
import time
from dataclasses import asdict, dataclass

from benchmarks import processes, systems
from benchmarks.environments import ROOT
from benchmarks.processes import Memory
from benchmarks.report import Goal, Section, spread, table
from benchmarks.server import System, running

RUNS = 3


@dataclass(frozen=True)
class Start:
    seconds: float
    memory: Memory


def section(runs: int = RUNS) -> Section:
    """In turn, so that a slow minute slows all."""
    _compiled()
    kinds = {
        "defaults": systems.service(ROOT / "models", {}),
        "as benchmarked": systems.service(ROOT / "models", systems.SERVICE_SETTINGS),
    }
    seen: dict[str, list[Start]] = {kind: [] for kind in kinds}
    for _ in range(runs):
        for kind, system in kinds.items():
            seen[kind].append(_once(system))
    rows = [(kind, *_row(starts)) for kind, starts in seen.items()]
    head = ("settings", "ready after s", "processes", "memory MiB: RSS, summed", "PSS, summed")
    goals = tuple(goal for kind, starts in seen.items() for goal in _goals(kind, starts))
    raw = {kind: [asdict(start) for start in starts] for kind, starts in seen.items()}
    text = f"`/health/ready` answers 200 to each of 8 connections; {runs} runs.\n\n" + table(head, rows)
    return Section("Start and memory", text, goals, raw)


def _compiled() -> None:
    """The first start after an installation compiles every module, which no later one does."""
    with running(systems.service(ROOT / "models", {})):
        pass


def _once(system: System) -> Start:
    began = time.monotonic()
    with running(system) as server:
        return Start(server.ready_at - began, processes.memory(server.process.pid))


def _row(starts: list[Start]) -> tuple[str, ...]:
    return (
        spread([start.seconds for start in starts]),
        f"{starts[0].memory.processes}",
        f"{statistics.median(start.memory.resident for start in starts):.0f}",
        f"{statistics.median(start.memory.proportional for start in starts):.0f}",
    )


def _goals(kind: str, starts: list[Start]) -> tuple[Goal, Goal]:
    resident = [start.memory.resident for start in starts]
    return (
        Goal(f"ready, {kind}", "<= 2 s", f"{spread([start.seconds for start in starts])} s"),
        Goal(f"resident memory with the shipped models, {kind}", "<= 200 MiB", f"{spread(resident, 0)} MiB"),
    )


if __name__ == "__main__":
    print(section().markdown())
