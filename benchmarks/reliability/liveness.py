"""/health/live while a large model loads and while large images are decoded. Under overload: `overload`."""

import asyncio
import io
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from benchmarks.pictures import RAW, seven
from benchmarks.reliability.asking import Answer, Client, every, milliseconds, post, statuses
from benchmarks.reliability.figures import Figure, Outcome, at_most, none_of
from benchmarks.reliability.repository import large, put, shipped
from benchmarks.reliability.serving import service
from benchmarks.server import Server

MIB = 500
_MOST_SECONDS = 90.0
_LIVE = "/health/live"


def outcome(scale: float) -> Outcome:
    mib = round(MIB * scale)
    with TemporaryDirectory() as folder:
        models = shipped(Path(folder), "mnist")
        with service(models, workers=1, poll_seconds=0.5) as server:
            contents = large(mib)
            return asyncio.run(_measured(server, models, contents, mib))


async def _measured(server: Server, models: Path, contents: bytes, mib: int) -> Outcome:
    client = Client(server.port)
    classify = post("/v1/models/mnist/classify", seven().body(RAW))
    loading: list[Answer] = []
    images: list[Answer] = []
    decoding: list[Answer] = []
    async with _asked(client, loading, images, classify):
        began = time.perf_counter()
        await asyncio.to_thread(put, models, "large", 1, contents)
        state = await _loaded(client)
        took = time.perf_counter() - began
    bombs = post("/v1/models/mnist/classify", _many_scans(), "image/jpeg")
    async with _asked(client, decoding, [], classify):
        answers = await asyncio.gather(*(client.ask(bombs) for _ in range(4)))
    client.close()
    return Outcome(
        f"A model file of {mib} MiB put into the running service (`{state}` after {took:.1f} s; meanwhile `mnist` "
        f"answered {statuses(images)}, p99 {milliseconds(images, 0.99):.1f} ms); four "
        "progressive JPEGs of 25 million pixels at once, "
        f"{statuses(answers)} after {max(a.seconds for a in answers):.1f} s.",
        [
            Figure(7, f"a model of {mib} MiB loads", "ready", state, held=state == "ready"),
            *_figures("while it loads", loading),
            none_of(7, "other model's requests not answered 200 while it loads", sum(a.status != 200 for a in images)),
            *_figures("while large images are decoded", decoding),
        ],
    )


def _figures(when: str, live: list[Answer]) -> list[Figure]:
    return [
        at_most(7, f"/health/live {when}, p99", 100, milliseconds(live, 0.99), " ms"),
        at_most(7, f"/health/live {when}, longest", 500, milliseconds(live, 1), " ms"),
        none_of(7, f"/health/live {when}, not 200", sum(a.status != 200 for a in live), f" of {len(live):,}"),
    ]


@asynccontextmanager
async def _asked(client: Client, live: list[Answer], images: list[Answer], classify: bytes) -> AsyncIterator[None]:
    """Asks for life every 20 ms and classifies every 50 ms, until the block is left."""
    tasks = [
        asyncio.create_task(every(0.02, lambda: client.get(_LIVE), live)),
        asyncio.create_task(every(0.05, lambda: client.ask(classify), images)),
    ]
    yield
    for task in tasks:
        task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks)


async def _loaded(client: Client) -> str:
    """The state that the large model comes to."""
    end = time.perf_counter() + _MOST_SECONDS
    while time.perf_counter() < end:
        body = (await client.get("/v1/models/large")).body.replace(b" ", b"")
        for state in ("ready", "unavailable"):
            if f'"state":"{state}"'.encode() in body:
                return state
        await asyncio.sleep(0.1)
    return "still loading"


def _many_scans() -> bytes:
    """What takes a decoder longest of what the limits let through."""
    noise = np.random.default_rng(0).integers(0, 256, (625, 625, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(np.tile(noise, (8, 8, 1))).save(buffer, "JPEG", quality=50, progressive=True)
    return buffer.getvalue()
