"""Everything at once for an hour: good, hostile, leaving, oversized and slow requests, swaps and killed workers.

    python -m benchmarks.reliability.soak --minutes 60

Requests come in an open loop at so much of what saturates the service, drawn by the weights of `MIX`. Swaps and kills
are spaced out: what is drawn in between is a good request. The report in benchmarks/results is written anew every five
minutes, so an interrupted soak leaves what it had seen. One worker is never killed: its memory is judged. A
service that leaks on purpose is judged first, by the same judge.
"""

import argparse
import asyncio
import itertools
import random
import shutil
import signal
import sys
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.open_loop import offsets
from benchmarks.pictures import RAW, seven
from benchmarks.reliability import memory_growth, traffic
from benchmarks.reliability.asking import BROKEN, Client, answered, connected, open_loop, post
from benchmarks.reliability.figures import Figure, Outcome, at_most, none_of
from benchmarks.reliability.growth import DAY_MIB, caught, figures, growth
from benchmarks.reliability.killing import kill_youngest
from benchmarks.reliability.reporting import summary, write
from benchmarks.reliability.repository import put, release, shipped
from benchmarks.reliability.sampling import Sample, sampled
from benchmarks.reliability.serving import complaints, service
from benchmarks.server import Server

MIX = {"good": 70, "hostile": 10, "leaving": 5, "oversized": 5, "slow": 5, "swap": 3, "kill": 2}
SHARE = 0.5  # at 0.8 kills and swaps took it over the edge, where the load shares two CPUs with the service
WORKERS = 2
_SWAP_SECONDS, _KILL_SECONDS = 20.0, 30.0  # at most one in so many seconds
_LOST_SECONDS = 1.0  # a request that came so soon after a kill may have met a connection that was lost by it
_WRITE_SECONDS, _SAMPLE_SECONDS = 300.0, 5.0  # nothing is sent while the report is written
_SWAPPED = "swapped"


@dataclass
class Tally:
    """What has happened so far. `latencies` are those of small images, in order; `late`, how long after its time each
    was sent, which is this process's own doing.
    """

    done: Counter[str] = field(default_factory=Counter)
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    unexpected: list[str] = field(default_factory=list)
    broken: list[tuple[float, float, str]] = field(default_factory=list)
    kills: list[float] = field(default_factory=list)
    slowest_replacement: float = 0.0
    swaps: int = 0
    rate: float = 0.0
    latencies: "array[float]" = field(default_factory=lambda: array("d"))
    late: "array[float]" = field(default_factory=lambda: array("d"))

    @property
    def answered(self) -> int:
        return self.statuses.total()

    def note(self, name: str, status: int, expected: frozenset[int], began: float, why: str = "") -> None:
        self.statuses[name, status] += 1
        if status == BROKEN:
            self.broken.append((began, time.perf_counter(), f"{name}: {why}"))
        elif status not in expected:
            self.unexpected.append(f"{name}: {status}")

    def lost(self) -> tuple[list[str], list[str]]:
        """Requests without an answer: those that were under way at a kill or soon after, and the others."""
        by_kill: list[str] = []
        others: list[str] = []
        for began, ended, why in self.broken:
            explained = any(began - _LOST_SECONDS <= kill <= ended for kill in self.kills)
            (by_kill if explained else others).append(why)
        return by_kill, others


class Mix:
    """Sends one of everything that `MIX` names to one service."""

    def __init__(self, server: Server, models: Path, tally: Tally) -> None:
        self._server, self._models, self._tally = server, models, tally
        self._client = Client(server.port)
        self._chance = random.Random(0)
        swapped = traffic.Request(
            "swapped", post(f"/v1/models/{_SWAPPED}/classify", seven().body(RAW)), traffic.OVERLOADED
        )
        self._weighted = [*traffic.good(), (10, swapped)]
        self._images = itertools.cycle(traffic.hostile())
        self._large = post("/v1/models/mnist/classify", bytes(50_000))
        self._version = 1
        self._next = {"swap": 0.0, "kill": 0.0}

    async def send(self, due: float) -> None:
        name = self._drawn()
        self._tally.done[name] += 1
        sends = {
            "good": self.good,
            "hostile": self.hostile,
            "leaving": self._leaving,
            "oversized": self._oversized,
            "slow": self._slow,
            "swap": self._swap,
            "kill": self._kill,
        }
        await sends[name](due)

    async def saturation(self, clients: int = 16, seconds: float = 10.0) -> float:
        """Requests of the mix a second that so many closed clients send, but for those that only wait or are rare."""
        sends = {"good": self.good, "hostile": self.hostile, "leaving": self._leaving, "oversized": self._oversized}
        weights, end, sent = [MIX[name] for name in sends], time.perf_counter() + seconds, 0

        async def one() -> None:
            nonlocal sent
            while time.perf_counter() < end:
                (send,) = self._chance.choices(list(sends.values()), weights)
                await send(time.perf_counter())
                sent += 1

        await asyncio.gather(*(one() for _ in range(clients)))
        return sent / seconds

    async def good(self, due: float) -> None:
        late = time.perf_counter() - due
        request = traffic.drawn(self._chance, self._weighted)
        answer = await self._client.ask(request.content, due)
        self._tally.note(request.name, answer.status, request.expected, due, answer.why)
        if answer.status == 200 and request.name == "small image":
            self._tally.latencies.append(answer.seconds)
            self._tally.late.append(late)

    async def hostile(self, due: float) -> None:
        request = next(self._images)
        answer = await self._client.ask(request.content, due)
        self._tally.note(request.name, answer.status, request.expected | traffic.OVERLOADED, due, answer.why)

    async def _leaving(self, due: float) -> None:
        """In the middle of the upload, or before the answer."""
        content = traffic.drawn(self._chance, self._weighted).content
        try:
            connection = await connected(self._server.port)
            connection.writer.write(content[: self._chance.randrange(1, len(content) + 1)])
            await asyncio.sleep(self._chance.uniform(0, 0.02))
            connection.writer.transport.abort()
        except OSError as error:
            self._tally.note("leaving", BROKEN, frozenset(), due, str(error))

    async def _oversized(self, _due: float) -> None:
        await self._in_pieces("oversized", [traffic.oversized()], 0.0, frozenset({413}))

    async def _slow(self, _due: float) -> None:
        """Two seconds for what is no picture."""
        size = len(self._large) // 10 + 1
        pieces = [self._large[start : start + size] for start in range(0, len(self._large), size)]
        await self._in_pieces("slow", pieces, 0.2, frozenset({415, 503}))

    async def _in_pieces(self, name: str, pieces: list[bytes], pause: float, expected: frozenset[int]) -> None:
        began = time.perf_counter()
        try:
            connection = await connected(self._server.port)
            try:
                for piece in pieces:
                    connection.writer.write(piece)
                    await asyncio.sleep(pause)
                status, _, _ = await asyncio.wait_for(answered(connection.reader), 60)
            finally:
                connection.writer.close()
            self._tally.note(name, status, expected, began)
        except (OSError, EOFError, TimeoutError) as error:
            self._tally.note(name, BROKEN, expected, began, f"{type(error).__name__}: {error}")

    async def _swap(self, _due: float) -> None:
        self._version += 1
        put(self._models, _SWAPPED, self._version, release(self._version))
        shutil.rmtree(self._models / _SWAPPED / str(self._version - 2), ignore_errors=True)
        self._tally.swaps += 1

    async def _kill(self, _due: float) -> None:
        self._tally.kills.append(time.perf_counter())
        kill = await asyncio.to_thread(kill_youngest, self._server)
        self._tally.slowest_replacement = max(self._tally.slowest_replacement, kill.replaced or 60.0)

    def _drawn(self) -> str:
        name, now = self._chance.choices(list(MIX), list(MIX.values()))[0], time.perf_counter()
        if name in self._next:
            if now < self._next[name]:
                return "good"
            self._next[name] = now + (_SWAP_SECONDS if name == "swap" else _KILL_SECONDS)
        return name


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reliability.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    minutes = parser.parse_args().minutes
    name = f"soak-{time.strftime('%Y-%m-%d-%H%M', time.gmtime())}"
    control = caught(10, memory_growth.control())
    outcome = _soaked(60 * minutes, control, name)
    print(summary({"soak": outcome}))
    return 0 if outcome.held else 1


def _soaked(seconds: float, control: Figure, name: str) -> Outcome:
    with _started() as (server, models, samples, tally):

        def keep() -> Outcome:
            found = _outcome(samples, tally, control, complaints(server.log.read_text()))
            write(name, {"soak": found})
            return found

        asyncio.run(_traffic(server, models, tally, seconds, keep))
        return keep()


@contextmanager
def _started() -> Iterator[tuple[Server, Path, list[Sample], Tally]]:
    with TemporaryDirectory() as folder, TemporaryDirectory() as temporary:
        models, tally = shipped(Path(folder), "mnist"), Tally()
        put(models, _SWAPPED, 1, release(1))
        settings = {"workers": WORKERS, "poll_seconds": 1.0, "log_level": "warning"}
        with (
            service(models, variables={"TMPDIR": temporary}, **settings) as server,
            sampled(server.process.pid, Path(temporary), lambda: tally.answered, _SAMPLE_SECONDS) as samples,
        ):
            yield server, models, samples, tally


async def _traffic(
    server: Server,
    models: Path,
    tally: Tally,
    seconds: float,
    keep: Callable[[], object],
) -> None:
    """At so much of what saturates the service, until the time is over or a signal comes."""
    mix, stopped = Mix(server, models, tally), asyncio.Event()
    rate = SHARE * await mix.saturation()
    tally.rate = rate
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    keeping = asyncio.create_task(_kept(keep))
    await open_loop(offsets(rate, seconds, "poisson"), mix.send, stopped.is_set)
    keeping.cancel()


async def _kept(keep: Callable[[], object]) -> None:
    while True:
        await asyncio.sleep(_WRITE_SECONDS)
        keep()


def _outcome(samples: list[Sample], tally: Tally, control: Figure, complained: list[str]) -> Outcome:
    """What is known so far."""
    found, tenths = growth(samples, WORKERS), _by_tenth(tally)
    by_kill, lost = tally.lost()
    figures_ = [
        none_of(10, "answers of an unexpected status", len(tally.unexpected), f" of {tally.answered:,}"),
        none_of(10, "requests without an answer that no kill explains", len(lost)),
        Figure(8, "requests lost by kills", "", f"{len(by_kill)} by {len(tally.kills)} kills"),
        Figure(
            8,
            "slowest replacement of a worker",
            "<= 5 s",
            f"{tally.slowest_replacement:.1f} s",
            tally.slowest_replacement <= 5,
        ),
        *figures(10, found),
        at_most(10, "memory, extrapolated to 24 h at 50 requests/s", DAY_MIB, found.mib_a_day, " MiB"),
        at_most(10, "p99 of small images: last tenth / first tenth", 1.2, _drift(tenths)),
        none_of(10, "errors and tracebacks in the log, but for killed workers", len(_unexplained(complained))),
        control,
    ]
    seconds = samples[-1].seconds
    return Outcome(
        f"{seconds / 60:.1f} minutes, {WORKERS} workers, {tally.rate:,.0f} requests/s ({SHARE:.0%} of what saturates "
        f"them); sent: {_counted(tally.done)}; {tally.swaps} swaps. Answers: {_counted(_by_status(tally))}.",
        figures_,
        {
            "unexpected": tally.unexpected[:50],
            "lost": lost[:50],
            "by_kill": by_kill[:50],
            "complaints": complained[:50],
            "statuses": {f"{name} {status}": count for (name, status), count in sorted(tally.statuses.items())},
            "samples": _thinned(samples),
            "latencies_by_tenth": tenths,
        },
    )


def _unexplained(complained: list[str]) -> list[str]:
    return [line for line in complained if "ended with code -9" not in line]


def _by_status(tally: Tally) -> Counter[str]:
    found: Counter[str] = Counter()
    for (_, status), count in tally.statuses.items():
        found["none" if status == BROKEN else str(status)] += count
    return found


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.most_common())


def _drift(tenths: list[dict[str, float]]) -> float:
    """0 while there is nothing to compare."""
    return tenths[-1]["p99"] / tenths[0]["p99"] if tenths else 0.0


def _by_tenth(tally: Tally) -> list[dict[str, float]]:
    """Milliseconds of small images in each tenth of the run, and how late this process sent them.

    Quick, since nothing is sent meanwhile: sorting a million latencies each minute would be the worst of them.
    """
    tenth = len(tally.latencies) // 10
    parts = [slice(start, start + tenth) for start in range(0, 10 * tenth, tenth)] if tenth else []
    return [
        {
            "p50": _milliseconds(tally.latencies[part], 0.5),
            "p99": _milliseconds(tally.latencies[part], 0.99),
            "sent late p99": _milliseconds(tally.late[part], 0.99),
        }
        for part in parts
    ]


def _milliseconds(seconds: "array[float]", share: float) -> float:
    return round(1e3 * float(np.quantile(np.frombuffer(seconds), share)), 2)


def _thinned(samples: list[Sample], most: int = 200) -> list[tuple[float, int, float, int, int, int]]:
    """Seconds, requests, MiB, descriptors, threads, files."""
    return [
        (
            round(sample.seconds, 1),
            sample.requests,
            round(sample.resident_mib(), 1),
            sum(held.descriptors for held in sample.held.values()),
            sum(held.threads for held in sample.held.values()),
            sample.temporary_files,
        )
        for sample in samples[:: max(1, len(samples) // most)]
    ]


if __name__ == "__main__":
    sys.exit(main())
