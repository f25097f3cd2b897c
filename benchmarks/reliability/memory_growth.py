"""A hundred thousand good and hostile requests to one worker: what it holds must not grow.

The same judge has to catch a service that leaks on purpose.
"""

import asyncio
import itertools
import random
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.reliability import traffic
from benchmarks.reliability.asking import Client
from benchmarks.reliability.figures import Outcome, none_of
from benchmarks.reliability.growth import Growth, caught, figures, growth
from benchmarks.reliability.repository import shipped
from benchmarks.reliability.sampling import Sample, sampled
from benchmarks.reliability.serving import service
from benchmarks.server import Server

REQUESTS = 100_000
CONTROL_REQUESTS = 20_000
_CLIENTS = 8
_LEAKING = "benchmarks.reliability.leaking"


def outcome(scale: float) -> Outcome:
    samples, tally = _asked("service", round(REQUESTS * scale))
    honest = growth(samples)
    leaking = control()
    return Outcome(
        f"One worker, {samples[-1].requests:,} requests by {_CLIENTS} clients in {samples[-1].seconds:.0f} s, half of "
        "them hostile images.",
        [*figures(9, honest), none_of(9, "answers of an unexpected status", len(tally.unexpected)), caught(9, leaking)],
        {"unexpected": tally.unexpected[:20], "memory": _memory(samples), "leaking": leaking.kib_a_request},
    )


def control() -> Growth:
    """Of a service that leaks on purpose: fewer requests would not tell 1 KiB a request from what is warmed up."""
    return growth(_asked(_LEAKING, CONTROL_REQUESTS)[0])


@dataclass
class Tally:
    """How many were answered, and those of a status that their request may not get."""

    answered: int = 0
    unexpected: list[str] = field(default_factory=list)

    def note(self, request: traffic.Request, status: int) -> None:
        self.answered += 1
        if status not in request.expected:
            self.unexpected.append(f"{request.name}: {status}")


def _asked(module: str, requests: int) -> tuple[list[Sample], Tally]:
    """Samples over the run."""
    with TemporaryDirectory() as folder, TemporaryDirectory() as temporary:
        models, tally = shipped(Path(folder), "mnist"), Tally()
        variables = {"TMPDIR": temporary}
        with (
            service(models, workers=1, module=module, variables=variables, log_level="warning") as server,
            sampled(server.process.pid, Path(temporary), lambda: tally.answered) as samples,
        ):
            asyncio.run(_half_and_half(server, requests, tally))
        return samples, tally


async def _half_and_half(server: Server, requests: int, tally: Tally) -> None:
    chance, client = random.Random(0), Client(server.port)
    good, hostile = traffic.good(), itertools.cycle(traffic.hostile())
    left = iter(range(requests))

    async def one() -> None:
        for number in left:
            request = traffic.drawn(chance, good) if number % 2 else next(hostile)
            answer = await client.ask(request.content)
            tally.note(request, answer.status)

    await asyncio.gather(*(one() for _ in range(_CLIENTS)))
    client.close()


def _memory(samples: list[Sample]) -> list[tuple[int, int]]:
    return [(sample.requests, round(sample.resident_mib())) for sample in samples[:: max(1, len(samples) // 100)]]
