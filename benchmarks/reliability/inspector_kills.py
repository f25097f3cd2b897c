"""SIGKILL for the process that answers questions about the inside, while it is asked and pictures are classified."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.pictures import RAW, seven
from benchmarks.reliability.asking import Answer, Client, every, post, statuses
from benchmarks.reliability.figures import Figure, Outcome, none_of
from benchmarks.reliability.killing import inspectors
from benchmarks.reliability.repository import shipped
from benchmarks.reliability.serving import service
from benchmarks.server import Server

KILLS = 5
_PAUSE_SECONDS = 1.5
_TOLD = {200, 503}  # a question may be told that it may have ended the process


def outcome(scale: float) -> Outcome:
    with (
        TemporaryDirectory() as folder,
        service(shipped(Path(folder), "mnist"), workers=1, request_timeout_seconds=60) as server,
    ):
        return asyncio.run(_measured(server, max(1, round(KILLS * scale))))


async def _measured(server: Server, kills: int) -> Outcome:
    client, body = Client(server.port), seven().body(RAW)
    images: list[Answer] = []
    questions: list[Answer] = []
    asking = [
        asyncio.create_task(every(0.01, lambda: client.ask(post("/v1/models/mnist/classify", body)), images)),
        asyncio.create_task(every(0.01, lambda: client.ask(post("/v1/models/mnist/feature-maps", body)), questions)),
    ]
    killed = 0
    for _ in range(kills):
        await asyncio.sleep(_PAUSE_SECONDS)
        for pid in inspectors(server):
            os.kill(pid, signal.SIGKILL)
            killed += 1
    await asyncio.sleep(_PAUSE_SECONDS)
    last = await client.ask(post("/v1/models/mnist/feature-maps", body))
    for task in asking:
        task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*asking)
    client.close()
    odd = [answer for answer in questions if answer.status not in _TOLD]
    return Outcome(
        f"`mnist`; classified meanwhile: {statuses(images)}; questions: {statuses(questions)}.",
        [
            Figure(8, "inspector processes killed", f"{kills}", f"{killed}", held=killed == kills),
            none_of(
                8, "classifications not answered 200", sum(a.status != 200 for a in images), f" of {len(images):,}"
            ),
            none_of(8, "questions answered by neither 200 nor 503", len(odd), f" of {len(questions):,}"),
            Figure(8, "the question after the last kill", "200", f"{last.status}", held=last.status == 200),
        ],
    )
