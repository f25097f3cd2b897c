"""Images whose decoding never ends: they get 504, everybody else is answered, and the service still stops when told."""

import asyncio
import io
import signal
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from benchmarks.reliability.asking import Client, post, statuses
from benchmarks.reliability.figures import Figure, Outcome, at_most, none_of
from benchmarks.reliability.hanging import HANGING_SIDE
from benchmarks.reliability.repository import shipped
from benchmarks.reliability.serving import service
from benchmarks.server import Server

DEADLINE = 2.0
HANGING = 4  # as many as there are threads here, and again
_PATH = "/v1/models/mnist/classify"


def outcome(_scale: float) -> Outcome:
    with (
        TemporaryDirectory() as folder,
        service(
            shipped(Path(folder), "mnist"),
            workers=1,
            module="benchmarks.reliability.hanging",
            request_timeout_seconds=DEADLINE,
        ) as server,
    ):
        figures = asyncio.run(_measured(server))
        return Outcome(f"`mnist`, deadline {DEADLINE:g} s, {HANGING} images that hang.", [*figures, _stopped(server)])


async def _measured(server: Server) -> list[Figure]:
    client = Client(server.port)
    sound, hanging = post(_PATH, _png(200)), post(_PATH, _png(HANGING_SIDE))
    hung = [asyncio.create_task(client.ask(hanging)) for _ in range(HANGING)]
    ended = await asyncio.gather(*hung)
    began = time.perf_counter()
    first = await client.ask(sound)
    while first.status != 200 and time.perf_counter() < began + 10 * DEADLINE:
        first = await client.ask(sound)
    waited = time.perf_counter() - began
    after = [await client.ask(sound) for _ in range(20)]
    live = await client.get("/health/live")
    client.close()
    return [
        Figure(
            2, "images that hang, answered 504", f"{HANGING}", f"{statuses(ended)}", statuses(ended) == {504: HANGING}
        ),
        at_most(2, "until they are", 1000 * DEADLINE + 100, 1e3 * max(a.seconds for a in ended), " ms"),
        at_most(2, "from then until another image is decoded", DEADLINE, waited, " s"),
        none_of(2, "images after that not answered 200", sum(a.status != 200 for a in after), f" of {len(after)}"),
        Figure(7, "/health/live", "200", f"{live.status}", held=live.status == 200),
    ]


def _stopped(server: Server) -> Figure:
    began = time.perf_counter()
    server.process.send_signal(signal.SIGTERM)
    try:
        server.process.wait(40)
        reached = time.perf_counter() - began
    except subprocess.TimeoutExpired:
        reached = float("inf")
    return at_most(4, "SIGTERM while images hang: until the exit", 30, reached, " s")


def _png(side: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (side, side), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()
