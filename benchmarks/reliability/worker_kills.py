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
from benchmarks.reliability.killing import kill_youngest
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


def outcome(scale: float) -> Outcome:
    with TemporaryDirectory() as folder:
        models = shipped(Path(folder), "mnist")
        with service(models, workers=WORKERS, log_level="warning") as server:
            return asyncio.run(_measured(server, max(1, round(KILLS * scale)), SECONDS * scale))


async def _measured(server: Server, kills: int, seconds: float) -> Outcome:
    client, request = Client(server.port), post(_PATH, seven().body(RAW))
    rate = SHARE * await saturation(client, request)
    answers: list[Answer] = []
    under_way: set[float] = set()

    async def send(due: float) -> None:
        under_way.add(due)
        answers.append(await client.ask(request, due))
        under_way.discard(due)

    loading = asyncio.create_task(open_loop(offsets(rate, seconds, "poisson"), send))
    killed, replaced, in_flight = [], [], []
    for _ in range(kills):
        await asyncio.sleep(0.5 * seconds / kills)
        in_flight.append(len(under_way))
        killed.append(time.perf_counter())
        taken = await asyncio.to_thread(kill_youngest, server)
        replaced.append(math.inf if taken is None else taken)
        await asyncio.sleep(max(0.0, seconds / kills - (time.perf_counter() - killed[-1]) - 0.5 * seconds / kills))
    await loading
    client.close()
    failed = [answer for answer in answers if answer.status != 200]
    late = [one for one in failed if not any(0 <= one.ended - at <= _AT_ONCE_SECONDS for at in killed)]
    figures = [
        Figure(8, "kills that the service survived", f"{kills}", f"{len(killed)}", held=server.process.poll() is None),
        at_most(8, "requests that failed, of those in flight at the kills", sum(in_flight), len(failed)),
        none_of(8, "requests that failed later than 100 ms after a kill", len(late), f" of {len(answers):,}"),
        at_most(8, "until two workers answer again, longest", _REPLACED_SECONDS, max(replaced), " s"),
    ]
    about = (
        f"`mnist`, {WORKERS} workers, {rate:,.0f} requests/s ({SHARE:.0%} of what saturates them): {statuses(answers)}"
        f"; p99 of answers {milliseconds(answers, 0.99):.1f} ms, longest {milliseconds(answers, 1):.0f} ms: a "
        "connection made while its worker is started again waits for it."
    )
    return Outcome(about, figures, {"statuses": statuses(answers), "replaced": replaced, "why": _reasons(failed)})


def _reasons(failed: list[Answer]) -> list[str]:
    return sorted({answer.why or str(answer.status) for answer in failed})
