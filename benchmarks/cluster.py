"""The service under Ray Serve on this machine: what the way through Serve costs, and what a lost machine costs.

    python -m benchmarks.cluster [door] [update] [lost] [cold] --seconds 10 --rounds 3

Needs the extra `cluster`. The machines of the cluster are groups of processes on this one, with a CPU each; the load
comes from here too. `FOVEA_BENCHMARK_MODELS` names a folder with `resnet18`; without it `door` measures `mnist` alone.
"""

import argparse
import asyncio
import os
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import machine
from benchmarks.environments import ROOT
from benchmarks.machines import Machines, machines
from benchmarks.pictures import RAW, photograph, seven
from benchmarks.processes import cpu_seconds_of, family
from benchmarks.report import table
from benchmarks.server import System, running
from service.load.address import Address, parsed
from service.load.connection import Connection
from service.load.loops import Loop
from service.load.percentiles import PER_MILLE, percentile
from service.load.tally import OK

SETTINGS = {"FOVEA_PROVIDER": "cpu", "FOVEA_LOG_LEVEL": "warning"}
_CLIENTS = 16
_RATE = 50.0  # requests a second while a machine is lost or replaced: far below what one replica answers
_PLAIN = "import uvicorn; from service.app import create_app; from service.settings import Settings; "
_PLAIN += "uvicorn.run(create_app(Settings()), http='httptools', port={port}, access_log=False, log_level='warning')"


@dataclass(frozen=True)
class Door:
    """One way to the same answer; `members` gives the processes that it costs, by what they are."""

    name: str
    url: str
    members: Callable[[], dict[str, list[int]]]


@dataclass
class Asked:
    """One request: when it was due, the outcome of each try, and when it was answered well. Seconds since the start."""

    due: float
    tries: list[str] = field(default_factory=list)
    ended: float = 0.0


def door(rounds: int, seconds: float) -> str:
    """The same request with the express door, through the application alone, and through Ray Serve, in turn."""
    rows = []
    for model, request in _questions():
        seen: dict[str, list[tuple[float, ...]]] = {}
        with _doors(model) as doors:
            for number in range(rounds + 1):
                for one in doors:
                    print(f"{model}, round {number}, {one.name}", file=sys.stderr)
                    figures = _measured(one, request, seconds if number else 2)
                    if number:  # the first one warms
                        seen.setdefault(one.name, []).append(figures)
        for name, runs in seen.items():
            rows.append((model, name, *(f"{statistics.median(column):.2f}" for column in zip(*runs, strict=True))))
    head = (
        "model",
        "door",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "CPU ms: proxy",
        "replica or server",
        "rest of Ray",
        "failed",
    )
    return table(head, rows)


def update(seconds: float) -> str:
    """All replicas replaced, twice, while requests come."""
    with machines(1, 1, 1) as cluster:
        cluster.deploy(SETTINGS, min_replicas=2, max_replicas=2)

        def replaced() -> None:
            for batch in ("16", "24"):
                cluster.deploy({**SETTINGS, "FOVEA_MAX_BATCH": batch}, min_replicas=2, max_replicas=2)

        return _told("two rolling updates", *_during(cluster, replaced, seconds))


def lost(seconds: float) -> str:
    """One of two machines killed while requests come; then a new one."""
    with machines(1, 1) as cluster:
        cluster.deploy(SETTINGS, min_replicas=2, max_replicas=2)
        return _told("a machine killed", *_during(cluster, lambda: cluster.lose(cluster.running[1]), seconds))


def cold(rounds: int) -> str:
    """The first request to a model that no replica holds, beside the next one."""
    first, again = [], []
    with machines(1) as cluster:
        cluster.deploy(SETTINGS, min_replicas=1, max_replicas=1, models_per_replica=1)
        body = seven().body(RAW)
        for number in range(2 * rounds):
            path = f"/v1/models/{('mnist', 'fashion_mnist')[number % 2]}/classify"
            for times in (first, again):
                before = time.perf_counter()
                assert cluster.ask("POST", path, body)[0] == 200
                times.append(time.perf_counter() - before)
    row = [f"{1000 * statistics.median(times):.1f} ({1000 * max(times):.1f})" for times in (first, again)]
    return table(("first request ms, median (most)", "the next"), [row])


@contextmanager
def _doors(model: str) -> Iterator[Sequence[Door]]:
    """All of them at once: those that are not asked rest."""
    path = f"/v1/models/{model}"
    models = ROOT / "models" if model == "mnist" else Path(os.environ["FOVEA_BENCHMARK_MODELS"])
    settings = {**SETTINGS, "FOVEA_MODELS": str(models), "FOVEA_WORKERS": "1"}
    python, ready = sys.executable, "/health/ready"
    express = System("one process", (python, "-m", "service", "serve", "--port", "{port}"), settings, {}, ready)
    plain = replace(express, command=(python, "-c", _PLAIN), name="one process without the express door")
    with ExitStack() as stack:
        servers = [stack.enter_context(running(system)) for system in (express, plain)]
        cluster = stack.enter_context(machines(2))
        of_replica = {name: value for name, value in settings.items() if name != "FOVEA_WORKERS"}
        cluster.deploy(of_replica, min_replicas=1, max_replicas=1, cpus_per_replica=2)
        yield [
            *(
                Door(
                    one.system.name,
                    f"http://127.0.0.1:{one.port}{path}",
                    lambda pid=one.process.pid: {"it": family(pid)},
                )
                for one in servers
            ),
            Door("Ray Serve, one replica", f"http://127.0.0.1:{cluster.port}{path}", lambda: _of_ray(cluster)),
        ]


def _of_ray(cluster: Machines) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {"proxy": [], "it": [], "rest": []}
    for pid in (pid for node in cluster.running for pid in family(node.pid)):
        title = Path(f"/proc/{pid}/cmdline").read_bytes()
        kind = "proxy" if b"ray::ProxyActor" in title else "it" if b"ray::ServeReplica" in title else "rest"
        found[kind].append(pid)
    return found


def _measured(one: Door, request: tuple[bytes, str], seconds: float) -> tuple[float, ...]:
    """Requests a second, latencies, CPU ms a request of each kind of process, failures."""
    address = parsed(one.url)
    question = address.request("POST", "/classify", *request)
    members = one.members()
    before = {kind: cpu_seconds_of(pids) for kind, pids in members.items()}
    tally = asyncio.run(Loop(address, [question], seconds).closed(_CLIENTS))
    used = {kind: cpu_seconds_of(pids) - before[kind] for kind, pids in members.items()}
    good = sorted(tally.latencies[OK])
    times = [1000 * percentile(good, PER_MILLE[name]) for name in ("p50", "p99")]
    cpu = [1000 * used.get(kind, 0.0) / max(1, len(good)) for kind in ("proxy", "it", "rest")]
    failed = sum(len(values) for outcome, values in tally.latencies.items() if outcome != OK)
    return (tally.timely[OK] / tally.seconds, *times, *cpu, float(failed))


def _questions() -> Iterator[tuple[str, tuple[bytes, str]]]:
    yield "mnist", (seven().body(RAW), seven().header(RAW))
    if "FOVEA_BENCHMARK_MODELS" in os.environ:
        with TemporaryDirectory() as folder:
            picture = photograph(Path(folder))
            yield "resnet18", (picture.body(RAW), picture.header(RAW))


def _during(cluster: Machines, act: Callable[[], object], seconds: float) -> tuple[list[Asked], float, float]:
    """Requests at a steady rate; `act` begins after a quarter of the time. Each is asked again until it is answered."""
    address = parsed(f"http://127.0.0.1:{cluster.port}")
    question = address.request("POST", "/v1/models/mnist/classify", seven().body(RAW), seven().header(RAW))
    began = time.perf_counter()
    acted: list[float] = []

    def later() -> None:
        time.sleep(seconds / 4)
        acted.append(time.perf_counter() - began)
        act()
        acted.append(time.perf_counter() - began)

    thread = threading.Thread(target=later)
    thread.start()
    asked = asyncio.run(_steady(address, question, seconds, began, thread))
    thread.join()
    return asked, acted[0], acted[1]


async def _steady(
    address: Address, question: bytes, seconds: float, began: float, acting: threading.Thread
) -> list[Asked]:
    """At least so many seconds, and until `acting` has ended."""
    asked: list[Asked] = []
    async with asyncio.TaskGroup() as group:
        while (now := time.perf_counter() - began) < seconds or acting.is_alive():
            asked.append(Asked(now))
            group.create_task(_until_answered(address, question, asked[-1], began))
            await asyncio.sleep(max(0.0, len(asked) / _RATE - (time.perf_counter() - began)))
    return asked


async def _until_answered(address: Address, question: bytes, one: Asked, began: float) -> None:
    connection = Connection(address)
    while not one.tries or one.tries[-1] != OK:
        try:
            one.tries.append(str((await connection.ask(question)).status))
        except OSError as error:
            one.tries.append(f"no answer: {type(error).__name__}")
        if one.tries[-1] != OK:
            await asyncio.sleep(0.1)
    one.ended = time.perf_counter() - began
    connection.close()


def _told(what: str, asked: Sequence[Asked], began: float, ended: float) -> str:
    failed = [one for one in asked if one.tries[0] != OK]
    outcomes = Counter(one.tries[0] for one in asked)
    waits = sorted(1000 * (one.ended - one.due) for one in asked)
    before = sorted(1000 * (one.ended - one.due) for one in asked if one.ended < began)
    rows = [
        ("requests", f"{len(asked)} at {_RATE:g} a second"),
        (f"{what}: from, to (s)", f"{began:.1f}, {ended:.1f}"),
        ("first answers", ", ".join(f"{status}: {count}" for status, count in sorted(outcomes.items()))),
        ("failed requests were due (s after it began)", _span([one.due - began for one in failed])),
        ("tries until answered, most", max(len(one.tries) for one in asked)),
        ("ms until answered well, before it: p50, most", f"{statistics.median(before):.1f}, {before[-1]:.1f}"),
        ("the same over all: p50, most", f"{statistics.median(waits):.1f}, {waits[-1]:.1f}"),
    ]
    return table(("", ""), rows)


def _span(times: Sequence[float]) -> str:
    return f"{min(times):.2f} to {max(times):.2f}" if times else "none"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parts = {"door": "", "update": "", "lost": "", "cold": ""}
    parser.add_argument("parts", nargs="*", choices=[*parts, []], default=list(parts))
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    print(f"{time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC, {machine.processors()}, load before {load}\n")
    for part in options.parts or list(parts):
        match part:
            case "door":
                print(door(options.rounds, options.seconds))
            case "update":
                print(update(options.seconds))
            case "lost":
                print(lost(options.seconds))
            case "cold":
                print(cold(options.rounds))
        print(flush=True)


if __name__ == "__main__":
    main()
