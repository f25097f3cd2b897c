"""What it costs to ask for tokens, to count quotas and to write a line for each request: `mnist`, one small picture.

    python -m benchmarks.access [--rounds N] [--before FOLDER]
    python -m benchmarks.access --pieces

`--pieces` times each part alone, in CPU time of its thread: the least of 25 times 2,000. Else A B C A B C, one process
each; ratios to `plain` are taken within a round. `--before` names another checkout, to measure it in the same rounds.
"""

import argparse
import logging
import os
import sys
import time
import timeit
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import closed_loop
from benchmarks.environments import ROOT
from benchmarks.pictures import RAW, seven
from benchmarks.processes import cpu_seconds
from benchmarks.report import spread, table
from benchmarks.server import System, running
from service.api.entrance import Entrance
from service.api.facts import Facts, Stages
from service.api.ledger import line
from service.logs import Log
from service.settings import Settings

_TOKEN = "a-token-of-this-benchmark"  # noqa: S105 - of a service that lives for seconds
_SEEN = {"FOVEA_LOG_LEVEL": "info"}
_CLOSED = {"FOVEA_INFERENCE_TOKENS": f"another-token-of-this-benchmark,{_TOKEN}"}
_RATIONED = {"FOVEA_QUOTA_PER_SECOND": "1000000", "FOVEA_QUOTA_BURST": "1000000"}
_WAYS = {
    "plain": {},
    "a line for each request": _SEEN,
    "tokens": _CLOSED,
    "a quota": _RATIONED,
    "all of them": _SEEN | _CLOSED | _RATIONED,
}
_QUIET = {"FOVEA_LOG_LEVEL": "warning", "FOVEA_WORKERS": "1", "FOVEA_PROVIDER": "cpu"}
_SECONDS, _CONNECTIONS = 5, 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--pieces", action="store_true")
    options = parser.parse_args()
    if options.pieces:
        print(table(("piece", "CPU µs"), [(name, f"{_alone(work):.1f}") for name, work in _pieces().items()]))
        return
    systems = {name: _system(ROOT, settings) for name, settings in _WAYS.items()}
    if options.before:
        systems["before"] = _system(options.before.resolve(), {})
    seen: dict[str, list[_Seen]] = {name: [] for name in systems}
    for _ in range(options.rounds):
        for name, system in systems.items():
            seen[name].append(_seen(system))
    print(table(("way", "requests/s", "of plain", "CPU µs a request", "more than plain"), _rows(seen)))


@dataclass(frozen=True)
class _Seen:
    """One measurement; `microseconds` is the service's CPU time for one request, which a busy machine changes least."""

    rate: float
    microseconds: float


def _rows(seen: Mapping[str, Sequence[_Seen]]) -> Iterator[Sequence[str]]:
    for name, of in seen.items():
        beside = list(zip(of, seen["plain"], strict=True))
        yield (
            name,
            spread([one.rate for one in of], 0),
            spread([one.rate / plain.rate for one, plain in beside]),
            spread([one.microseconds for one in of], 1),
            spread([one.microseconds - plain.microseconds for one, plain in beside], 1),
        )


def _system(checkout: Path, settings: dict[str, str]) -> System:
    command = f"cd {checkout} && exec {sys.executable} -m service serve --port {{port}} --models {ROOT / 'models'}"
    paths = {RAW.name: "/v1/models/mnist/classify"}
    return System("fovea", ("sh", "-c", command), _QUIET | settings, paths, "/health/ready")


def _pieces() -> dict[str, Callable[[], object]]:
    now = time.monotonic()
    facts = Facts("0" * 32, "POST", "127.0.0.1", now, now + 0.001, "/v1/models/{model}/classify", 200)
    facts.model, facts.version, facts.provider = "mnist", 1, "cpu"
    facts.stages = Stages(now, now + 0.0001, now + 0.0002, now + 0.0003)
    log, written = Log(os.open(os.devnull, os.O_WRONLY)), line(facts, logging.INFO)
    tokens, rationed = (Entrance(Settings.model_validate(_lower(way))) for way in (_CLOSED, _RATIONED))
    return {
        "a request's line": lambda: line(facts, logging.INFO),
        "writing it, to /dev/null": lambda: log.write(written),
        "one of two tokens": lambda: tokens.admission("198.51.100.1", f"Bearer {_TOKEN}".encode()),
        "a quota, with its headers": lambda: rationed.admission("198.51.100.1", b""),
    }


def _lower(variables: dict[str, str]) -> dict[str, str]:
    """Settings by their own names."""
    return {name.removeprefix("FOVEA_").lower(): value for name, value in variables.items()}


def _alone(work: Callable[[], object]) -> float:
    return 1e6 * min(timeit.repeat(work, number=2000, repeat=25, timer=time.thread_time)) / 2000


def _seen(system: System) -> _Seen:
    with running(system) as server:
        closed_loop.measure(server.url(RAW), seven(), RAW, _CONNECTIONS, 1, _TOKEN)
        before = cpu_seconds(server.process.pid)
        told = closed_loop.measure(server.url(RAW), seven(), RAW, _CONNECTIONS, _SECONDS, _TOKEN)
        spent = cpu_seconds(server.process.pid) - before
    if told.failures:
        raise SystemExit(f"{told.failures} requests failed")
    return _Seen(told.requests_per_second, 1e6 * spent / (told.requests_per_second * _SECONDS))


if __name__ == "__main__":
    main()
