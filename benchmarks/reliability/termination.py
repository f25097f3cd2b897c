"""SIGTERM with 200 requests in flight, with clients that go on connecting, during a model load; and told twice."""

import asyncio
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import networks
from benchmarks.pictures import RAW, photograph, seven
from benchmarks.reliability.asking import BROKEN, Answer, Client, open_connections, post
from benchmarks.reliability.figures import Figure, Outcome, at_most, none_of
from benchmarks.reliability.repository import large, put, shipped
from benchmarks.reliability.serving import READY, service
from benchmarks.server import Server

IN_FLIGHT = 200
CONNECTING = 16
DRAIN_SECONDS = 2.0  # ready says 503, connections are still taken
_GRACE_SECONDS = 30.0
_PATH = f"/v1/models/{networks.NAME}/versions/1/classify"


def outcome(scale: float) -> Outcome:
    figures = [*_with_many_in_flight(max(20, round(IN_FLIGHT * scale)))]
    for workers in (1, 2):
        figures += _while_connecting(workers)
    figures += [_while_loading(), _told_twice()]
    return Outcome(
        f"ResNet-18 on a photograph with {IN_FLIGHT} in flight; `mnist` with {CONNECTING} clients that connect anew "
        f"for each request; FOVEA_DRAIN_SECONDS={DRAIN_SECONDS:g}; a model file of 500 MiB.",
        figures,
    )


def _with_many_in_flight(count: int) -> list[Figure]:
    models = networks.repository()
    with TemporaryDirectory() as folder, _draining(models, request_timeout_seconds=60) as server:
        picture = photograph(Path(folder))
        request = post(_PATH, picture.body(RAW), picture.content_type)
        return asyncio.run(_stopped_with_work(server, request, count))


async def _stopped_with_work(server: Server, request: bytes, count: int) -> list[Figure]:
    client = Client(server.port, keep_alive=False)
    asked = [asyncio.create_task(client.ask(request)) for _ in range(count)]
    while await _in_flight(client) < 0.9 * count:  # noqa: ASYNC110 - it is the service that is waited for
        await asyncio.sleep(0.01)
    server.process.send_signal(signal.SIGTERM)
    told = time.perf_counter()
    ready = await _not_ready(client)
    live = await client.get("/health/live")
    answers = await asyncio.gather(*asked)
    code = await asyncio.to_thread(server.process.wait, 2 * _GRACE_SECONDS)
    ended = time.perf_counter()
    good = sum(answer.status == 200 for answer in answers)
    last = max(answer.ended for answer in answers)
    after = [answer for answer in answers if answer.ended > told + 0.5]
    closing = sum(answer.headers.get("connection") == "close" for answer in after)
    return [
        Figure(4, "in flight at SIGTERM, answered 200", f"{count} of {count}", f"{good}", held=good == count),
        _ready_figure(ready, told),
        Figure(4, "/health/live meanwhile", "200", _status(live), held=live.status == 200),
        Figure(
            4,
            "answers after SIGTERM with Connection: close",
            "all",
            f"{closing} of {len(after)}",
            closing == len(after),
        ),
        Figure(4, "exit code", "0", f"{code}", held=code == 0),
        at_most(
            4,
            "from the last answer (or the drain's end) to the exit",
            1.0,
            ended - max(last, told + DRAIN_SECONDS),
            " s",
        ),
    ]


def _ready_figure(ready: Answer | None, told: float) -> Figure:
    what = "until /health/ready says 503"
    if ready is None:
        return Figure(4, what, "<= 0.2 s", "it takes no connection", held=False)
    return at_most(4, what, 0.2, ready.ended - told, " s")


def _while_connecting(workers: int) -> list[Figure]:
    """Until the first connection is refused, which says that nobody listens any more."""
    with TemporaryDirectory() as folder, _draining(shipped(Path(folder), "mnist"), workers=workers) as server:
        answers, code = asyncio.run(_connecting(server))
    lost = [answer for answer in answers if answer.status == BROKEN and "ConnectionRefused" not in answer.why]
    good = sum(answer.status == 200 for answer in answers)
    of = f" of {good + len(lost):,} ({', '.join(sorted({answer.why[:40] for answer in lost})) or 'none lost'})"
    return [
        none_of(4, f"connections reset across SIGTERM, {workers} worker{'s' * (workers > 1)}", len(lost), of),
        Figure(4, f"exit code, {workers} worker{'s' * (workers > 1)}", "0", f"{code}", held=code == 0),
    ]


async def _connecting(server: Server) -> tuple[list[Answer], int]:
    client, request = Client(server.port, keep_alive=False), post("/v1/models/mnist/classify", seven().body(RAW))
    answers: list[Answer] = []

    async def one() -> None:
        while not (answers and "ConnectionRefused" in answers[-1].why):
            answers.append(await client.ask(request))

    clients = [asyncio.create_task(one()) for _ in range(CONNECTING)]
    await asyncio.sleep(1.0)
    server.process.send_signal(signal.SIGTERM)
    await asyncio.wait(clients, timeout=2 * _GRACE_SECONDS)
    return answers, await asyncio.to_thread(server.process.wait, _GRACE_SECONDS)


def _while_loading() -> Figure:
    with TemporaryDirectory() as folder:
        models = shipped(Path(folder), "mnist")
        put(models, "large", 1, large())
        with _draining(models, workers=1, ready="/health/live") as server:
            server.process.send_signal(signal.SIGTERM)
            return at_most(4, "from SIGTERM during a model load to the exit", 5.0, _exit_seconds(server), " s")


def _told_twice() -> Figure:
    """With requests in flight that would take a minute."""
    with TemporaryDirectory() as folder, service(networks.repository(), request_timeout_seconds=120) as server:
        picture = photograph(Path(folder))
        with open_connections(server.port, post(_PATH, picture.body(RAW), picture.content_type), 600):
            time.sleep(1.0)
            server.process.send_signal(signal.SIGTERM)
            time.sleep(1.0)
            server.process.send_signal(signal.SIGTERM)
            return at_most(4, "from the second SIGTERM to the exit", 2.0, _exit_seconds(server), " s")


def _exit_seconds(server: Server) -> float:
    began = time.perf_counter()
    try:
        server.process.wait(2 * _GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        return float("inf")
    return time.perf_counter() - began


@contextmanager
def _draining(models: Path, **settings: Any) -> Iterator[Server]:
    with service(models, drain_seconds=DRAIN_SECONDS, log_level="warning", **settings) as server:
        yield server


async def _in_flight(client: Client) -> float:
    """Requests that the service has begun, as it counts them; the question itself is one."""
    text = (await client.get("/metrics")).body.decode()
    line = next(line for line in text.splitlines() if line.startswith("fovea_http_requests_in_flight"))
    return float(line.split()[-1]) - 1


async def _not_ready(client: Client) -> Answer | None:
    """The first answer that says so; None where connections are refused before."""
    while (answer := await client.get(READY)).status != HTTPStatus.SERVICE_UNAVAILABLE:
        if answer.status == BROKEN:
            return None
        await asyncio.sleep(0.01)
    return answer


def _status(answer: Answer) -> str:
    return answer.why or str(answer.status)
