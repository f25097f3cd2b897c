"""Systems beside each other, round by round: start, warm, measure, stop, then the next; only one runs at a time.

Ratios are taken within a round, where the machine was most alike, and their median is what counts.
"""

import json
import statistics
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import closed_loop, processes
from benchmarks.environments import ROOT
from benchmarks.pictures import Form, Picture
from benchmarks.report import spread, table
from benchmarks.server import Server, System, running

_WARM_SECONDS = 2


@dataclass(frozen=True)
class Cell:
    """One kind of load; measured `stretch` times as long as others, where few answers come."""

    form: Form
    connections: int
    stretch: int = 1

    @property
    def label(self) -> str:
        return self.form.name if self.form.images == 1 else f"{self.form.images} images in one {self.form.name}"


@dataclass(frozen=True)
class Contender:
    """A system, the loads it is put under, and the class that each image has by the model it serves."""

    system: System
    cells: tuple[Cell, ...]
    expected: int


@dataclass(frozen=True)
class Limit:
    """The same work with no HTTP, in several ways; see benchmarks/limit."""

    name: str
    python: Path
    model: Path
    backend: str
    ways: tuple[str, ...]
    run_only: bool = False


@dataclass(frozen=True)
class Sample:
    """One measurement. `label` is the load's or the limit's way; `connections` is 0 without HTTP."""

    round: int
    system: str
    label: str
    connections: int
    images_per_second: float
    median_ms: float = 0.0
    p99_ms: float = 0.0
    failures: int = 0
    cpu_ms_per_image: float = 0.0


def measured(
    picture: Picture, contenders: Sequence[Contender], limits: Sequence[Limit], *, rounds: int, seconds: int
) -> list[Sample]:
    """Every system in every round, in turn."""
    samples: list[Sample] = []
    for number in range(rounds):
        for contender in contenders:
            samples += _round(contender, picture, number, seconds)
        for limit in limits:
            samples += _limit_round(limit, picture, number)
    return samples


def _round(contender: Contender, picture: Picture, number: int, seconds: int) -> Iterator[Sample]:
    _say(f"round {number + 1}: {contender.system.name}")
    with running(contender.system) as server:
        warmed = contender.cells[0].form
        closed_loop.measure(server.url(warmed), picture, warmed, 16, _WARM_SECONDS)
        for form in dict.fromkeys(cell.form for cell in contender.cells):
            check_answer(server, picture, form, contender.expected)
            for cell in contender.cells:
                if cell.form == form:
                    yield _sample(server, picture, cell, number, seconds)


def check_answer(server: Server, picture: Picture, form: Form, expected: int) -> None:
    """Raises RuntimeError where an image's first class is another, or images are missing."""
    results = server.answer(picture, form)
    found = [result["predictions"][0]["index"] for result in results]  # type: ignore[index]
    if found != [expected] * form.images:
        raise RuntimeError(f"{server.system.name} answers {found} to {form}; each should be {expected}")


def _sample(server: Server, picture: Picture, cell: Cell, number: int, seconds: int) -> Sample:
    server.drain(picture, cell.form)
    seconds *= cell.stretch
    before = processes.cpu_seconds(server.process.pid)
    seen = closed_loop.measure(server.url(cell.form), picture, cell.form, cell.connections, seconds)
    used = processes.cpu_seconds(server.process.pid) - before
    return Sample(
        number,
        server.system.name,
        cell.label,
        cell.connections,
        seen.images_per_second,
        seen.median_ms,
        seen.p99_ms,
        seen.failures,
        1e3 * used / max(1.0, seen.images_per_second * seconds),
    )


def _limit_round(limit: Limit, picture: Picture, number: int) -> Iterator[Sample]:
    _say(f"round {number + 1}: {limit.name}")
    command = [str(limit.python), "-m", "benchmarks.limit", str(limit.model), str(picture.path)]
    command += ["--backend", limit.backend, "--ways", *limit.ways, *(["--run-only"] if limit.run_only else [])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise RuntimeError(f"{limit.name} fails: {done.stderr[-2000:]}")
    for way, speed in json.loads(done.stdout).items():
        yield Sample(number, limit.name, way, 0, **speed)


@dataclass(frozen=True)
class Samples:
    """All samples of one comparison, to be asked for ratios."""

    all: tuple[Sample, ...]

    def of(self, system: str, label: str, connections: int) -> list[Sample]:
        """Round by round."""
        return [s for s in self.all if (s.system, s.label, s.connections) == (system, label, connections)]

    def rates(self, system: str, label: str, connections: int) -> list[float]:
        return [sample.images_per_second for sample in self.of(system, label, connections)]

    def costs(self, system: str, label: str, connections: int) -> list[float]:
        """CPU time of one image in ms."""
        return [sample.cpu_ms_per_image for sample in self.of(system, label, connections)]

    def limit(self, name: str) -> list[float]:
        """Of a limit's ways the one with the best median."""
        return self.rates(name, self.best_way(name), 0)

    def best_way(self, name: str) -> str:
        ways = dict.fromkeys(s.label for s in self.all if s.system == name)
        return max(ways, key=lambda way: statistics.median(self.rates(name, way, 0)))

    def failures(self) -> int:
        return sum(s.failures for s in self.all)

    def raw(self) -> list[dict[str, object]]:
        return [asdict(sample) for sample in self.all]

    def markdown(self) -> str:
        """Images a second: loads down, systems across; the limits under it."""
        served = [sample for sample in self.all if sample.connections]
        systems = list(dict.fromkeys(s.system for s in served))
        loads = list(dict.fromkeys((s.label, s.connections) for s in served))
        head = ("images/s: median (least–most)", "connections", *systems)
        rows = [(label, count, *(self._cell(system, label, count) for system in systems)) for label, count in loads]
        return "\n\n".join((table(head, rows), self._costs(systems, loads), self._limits()))

    def _cell(self, system: str, label: str, connections: int) -> str:
        found = self.of(system, label, connections)
        failures = sum(s.failures for s in found)
        rates = spread([s.images_per_second for s in found], 0 if _large(found) else 1)
        return rates + (f", **{failures} failed**" if failures else "")

    def _costs(self, systems: Sequence[str], loads: Sequence[tuple[str, int]]) -> str:
        """What a busy machine changes least: the CPU time of all of the server's processes for one image."""

        def cost(system: str, label: str, connections: int) -> str:
            found = self.of(system, label, connections)
            if not found:
                return "-"
            cpu, median, p99 = (
                statistics.median(values)
                for values in zip(*((s.cpu_ms_per_image, s.median_ms, s.p99_ms) for s in found), strict=True)
            )
            return f"{cpu:.3f}; {median:.1f}; {p99:.1f}"

        head = ("server CPU ms an image; request median ms; p99 ms", "connections", *systems)
        return table(head, [(label, n, *(cost(system, label, n) for system in systems)) for label, n in loads])

    def _limits(self) -> str:
        names = dict.fromkeys(s.system for s in self.all if not s.connections)
        rows = [
            (name, way, self._cell(name, way, 0), f"{statistics.median(self.costs(name, way, 0)):.3f}")
            for name in names
            for way in dict.fromkeys(s.label for s in self.all if s.system == name)
        ]
        return table(("no HTTP", "processes x threads x run threads x batch", "images/s", "CPU ms an image"), rows)


def ratios(numerator: Iterable[float], denominator: Iterable[float]) -> list[float]:
    """Round by round; a round in which nothing was answered has none."""
    return [above / below for above, below in zip(numerator, denominator, strict=True) if below]


def _large(samples: Sequence[Sample]) -> bool:
    return bool(samples) and samples[0].images_per_second > 1000


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
