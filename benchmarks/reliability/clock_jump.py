"""The clock put forward and back by an hour while requests go on: nothing may expire by it. Needs libfaketime."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.pictures import RAW, photograph, seven
from benchmarks.reliability.asking import Answer, Client, milliseconds, post, statuses
from benchmarks.reliability.figures import Figure, Outcome, at_most, none_of
from benchmarks.reliability.not_run import NotRunError
from benchmarks.reliability.repository import put, release, shipped
from benchmarks.reliability.serving import complaints, service
from benchmarks.server import Server

JUMPS = ("+3600", "-3600", "+0")  # seconds from the right time
_SECONDS_EACH = 4.0
_LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/local/lib")


def outcome(scale: float) -> Outcome:
    library = _library()
    with TemporaryDirectory() as folder:
        models, clock = shipped(Path(folder) / "models", "mnist"), Path(folder) / "clock"
        clock.write_text("+0")
        variables = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",  # as a real clock that is put: what counts from the start goes on
        }
        with service(models, workers=2, variables=variables, poll_seconds=0.5) as server:
            return asyncio.run(_measured(server, models, clock.write_text, max(2.5, _SECONDS_EACH * scale)))


def _library() -> Path:
    for place in _LIBRARIES:
        if found := next(Path(place).rglob("libfaketime.so.1"), None):
            return found
    raise NotRunError("it needs libfaketime; on Debian and Ubuntu: apt-get install faketime")


async def _measured(server: Server, models: Path, put_clock: Callable[[str], object], seconds: float) -> Outcome:
    client = Client(server.port)
    small = post("/v1/models/mnist/classify", seven().body(RAW))
    large = post("/v1/models/mnist/classify", photograph(models.parent).body(RAW), "image/jpeg")
    answers: list[Answer] = []
    dates: list[str] = []
    for jump in JUMPS:
        put_clock(jump)
        answers += await _asked(client, (small, large), seconds)
        dates.append((await client.get("/health/live")).headers.get("date", ""))
    put(models, "mnist", 3, release(3))
    put_clock(JUMPS[0])
    loaded = await _until(client, lambda answer: b'"version":3,"state":"ready"' in answer.body.replace(b" ", b""))
    client.close()
    return Outcome(
        f"`mnist` on two workers, the clock at {', '.join(JUMPS)} s from the right time: {statuses(answers)}; "
        f"the answers' dates were {'; '.join(dates)}.",
        [
            Figure(
                2,
                "the service saw the jumps (hours in its dates)",
                "3 different",
                f"{len(set(dates))}",
                len(set(dates)) == len(JUMPS),
            ),
            none_of(2, "requests not answered 200 while the clock jumps", sum(a.status != 200 for a in answers)),
            at_most(2, "longest answer while the clock jumps", 2000, milliseconds(answers, 1), " ms"),
            Figure(
                5, "a version that comes while the clock jumps", "ready", "ready" if loaded else "not ready", loaded
            ),
            none_of(2, "errors and tracebacks in the log", len(complaints(server.log.read_text()))),
        ],
    )


async def _asked(client: Client, requests: tuple[bytes, ...], seconds: float) -> list[Answer]:
    answers: list[Answer] = []
    end = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end:
        answers += await asyncio.gather(*(client.ask(request) for request in requests))
    return answers


async def _until(client: Client, right: Callable[[Answer], bool]) -> bool:
    for _ in range(100):
        if right(await client.get("/v1/models/mnist")):
            return True
        await asyncio.sleep(0.1)
    return False
