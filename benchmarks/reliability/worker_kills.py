"""SIGKILL for one of two workers under load, ten times in a minute: who notices, and for how long."""

import asyncio
import math
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.open_loop import offsets
from benchmarks.pictures import RAW, seven
from benchmarks.reliability.asking import Answer, Client, milliseconds, open_loop, post, saturation, statuses
from benchmarks.reliability.figures import Figure, Outcome, at_most, none_of
from benchmarks.reliability.killing import Kill, kill_youngest
from benchmarks.reliability.repository import shipped
from benchmarks.reliability.serving import service
from benchmarks.server import Server

KILLS = 10
SECONDS = 60.0
WORKERS = 2
SHARE = 0.4  # of what saturates both: one alone still bears it
_AT_ONCE_SECONDS = 0.1
_REPLACED_SECONDS = 5.0
_PATH = "/v1/models/mnist/classify"

Sent = tuple[float, Answer]  # when it was sent, which may be later than it was due


def outcome(scale: float) -> Outcome:
    with TemporaryDirectory() as folder:
        models = shipped(Path(folder), "mnist")
        with service(models, workers=WORKERS, log_level="warning") as server:
            return asyncio.run(_measured(server, max(1, round(KILLS * scale)), SECONDS * scale))


async def _measured(server: Server, kills: int, seconds: float) -> Outcome:
    client, request = Client(server.port), post(_PATH, seven().body(RAW))
    rate = SHARE * await saturation(client, request)
    sent: list[Sent] = []

    async def send(due: float) -> None:
        began = time.perf_counter()
        sent.append((began, await client.ask(request, due)))

    loading = asyncio.create_task(open_loop(offsets(rate, seconds, "poisson"), send))
    killed: list[tuple[float, Kill]] = []
    for _ in range(kills):
        await asyncio.sleep(0.5 * seconds / kills)
        at = time.perf_counter()
        killed.append((at, await asyncio.to_thread(kill_youngest, server)))
        await asyncio.sleep(max(0.0, 0.5 * seconds / kills - (time.perf_counter() - at)))
    await loading
    client.close()
    answers = [answer for _, answer in sent]
    about = (
        f"`mnist`, {WORKERS} workers, {rate:,.0f} requests/s ({SHARE:.0%} of what saturates them): {statuses(answers)}"
        f"; p99 of answers {milliseconds(answers, 0.99):.1f} ms, longest {milliseconds(answers, 1):.0f} ms: a "
        "connection made while its worker is started again waits for it."
    )
    survived = Figure(8, "kills that the service survived", f"{kills}", f"{len(killed)}", server.process.poll() is None)
    raw = {"statuses": statuses(answers), "kills": [(kill.gone - at, kill.replaced) for at, kill in killed]}
    return Outcome(about, [survived, *_figures(sent, killed)], raw | {"why": _reasons(answers)})


def _figures(sent: list[Sent], killed: list[tuple[float, Kill]]) -> list[Figure]:
    failed = [(began, answer) for began, answer in sent if answer.status != 200]
    spared = [
        answer for began, answer in failed if not any(began <= kill.gone and at <= answer.ended for at, kill in killed)
    ]
    late = [one for _, one in failed if not any(0 <= one.ended - at <= _AT_ONCE_SECONDS for at, _ in killed)]
    at_signals = sum(any(began <= at <= answer.ended for at, _ in killed) for began, answer in sent)
    of = f" of {len(sent):,}"
    return [
        none_of(8, "requests that failed, but not in flight while a process ended", len(spared), of),
        none_of(8, "requests that failed later than 100 ms after a kill", len(late), of),
        Figure(8, "requests that failed", "", f"{len(failed)}{of}; in flight at the signals: {at_signals}"),
        Figure(8, "a killed process gone, longest", "", f"{1e3 * max(kill.gone - at for at, kill in killed):.0f} ms"),
        at_most(
            8,
            "until two workers answer again, longest",
            _REPLACED_SECONDS,
            max(math.inf if kill.replaced is None else kill.replaced for _, kill in killed),
            " s",
        ),
    ]


def _reasons(answers: list[Answer]) -> list[str]:
    return sorted({answer.why or str(answer.status) for answer in answers if answer.status != 200})
