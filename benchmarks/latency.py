"""How late answers come at 70 % of saturation, beside an unloaded service: an open loop, so that no queue is hidden."""

import statistics
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from benchmarks import closed_loop, networks, systems
from benchmarks.arrivals import Seen, send
from benchmarks.environments import ROOT
from benchmarks.pictures import MULTIPART, Picture, seven
from benchmarks.report import Goal, Section, spread, table
from benchmarks.server import Server, System, running

SHARE = 0.7
UNLOADED_SHARE = 0.03
_KINDS: tuple[Literal["poisson", "even"], ...] = ("poisson", "even")


def section(models: Path, photograph: Picture, rounds: int, seconds: int) -> Section:
    """Both networks, each by its service with its defaults."""
    parts = [
        _measured("LeNet-class", systems.fovea(ROOT / "models", "mnist"), seven(), rounds, seconds),
        _measured("ResNet-18", systems.fovea(models, networks.NAME, 1), photograph, rounds, 2 * seconds),
    ]
    text = (
        "Multipart, one image a request. `poisson`: each request from a client of its own; `even`: at equal "
        "distances. Latency counts from the scheduled time. Saturation: wrk, 16 connections, before each round.\n\n"
    )
    rows = [row for rows, _, _ in parts for row in rows]
    head = ("network", "load", "requests/s", "median ms", "p99 ms", "statuses", "generator: lag p99 ms, CPU share")
    goals = tuple(goal for _, goals, _ in parts for goal in goals)
    return Section("p99 at 70 % of saturation", text + table(head, rows), goals, [raw for _, _, raw in parts])


def _measured(
    name: str, system: System, picture: Picture, rounds: int, seconds: int
) -> tuple[list[tuple[object, ...]], list[Goal], object]:
    with running(system) as server:
        closed_loop.measure(server.url(MULTIPART), picture, MULTIPART, 16, 2)
        seen = [_round(server, picture, seconds) for _ in range(rounds)]
    rows = [_row(name, load, [each[load] for each in seen]) for load in seen[0]]
    goals = [
        Goal(
            f"{name}: p99 at 70 % of saturation ({kind} arrivals) / unloaded median",
            "<= 3 x",
            spread([each[kind].of("200", "p99_ms") / each["unloaded"].of("200", "p50_ms") for each in seen]),
        )
        for kind in _KINDS
    ]
    return rows, goals, [{load: asdict(run) for load, run in each.items()} for each in seen]


def _round(server: Server, picture: Picture, seconds: int) -> dict[str, Seen]:
    url = server.url(MULTIPART)
    saturation = closed_loop.measure(url, picture, MULTIPART, 16, 3).requests_per_second
    server.drain(picture, MULTIPART)
    unloaded = send(url, picture, MULTIPART, max(4.0, UNLOADED_SHARE * saturation), 3, "even")
    loaded: dict[str, Seen] = {
        kind: send(url, picture, MULTIPART, SHARE * saturation, seconds, kind) for kind in _KINDS
    }
    return {"unloaded": unloaded, **loaded}


def _row(name: str, load: str, runs: list[Seen]) -> tuple[object, ...]:
    def median(of: Callable[[Seen], float]) -> float:
        return statistics.median(of(run) for run in runs)

    return (
        name,
        load,
        f"{median(lambda run: run.sent_per_second):,.0f}",
        f"{median(lambda run: run.of('200', 'p50_ms')):.2f}",
        spread([run.of("200", "p99_ms") for run in runs]),
        "; ".join(run.statuses for run in runs),
        f"{median(lambda run: run.lag_p99_ms):.2f}, {median(lambda run: run.cpu_share):.2f}",
    )
