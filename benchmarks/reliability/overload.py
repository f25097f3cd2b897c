"""Ten times more requests than can be answered, in an open loop: what is answered, and how the rest is refused."""

import asyncio
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import networks
from benchmarks.arrivals import Seen, sending
from benchmarks.pictures import RAW, Picture, photograph
from benchmarks.reliability.asking import Answer, Client, every, milliseconds, post, saturation, statuses
from benchmarks.reliability.figures import Figure, Outcome, at_least, at_most, none_of
from benchmarks.reliability.serving import service
from benchmarks.server import Server

TIMES = 10
SECONDS = 60.0
DEADLINE = 4.0  # the queue is as long as the deadline allows: with the default of 10 s it takes 10 s to be gone
RECOVERY = 5.0
_PATH = f"/v1/models/{networks.NAME}/versions/1/classify"
_LIVE = "/health/live"


def outcome(scale: float) -> Outcome:
    """ResNet-18 on a photograph. What saturates it is measured before, by a closed loop."""
    models = networks.repository()
    with (
        TemporaryDirectory() as folder,
        service(models, request_timeout_seconds=DEADLINE, log_level="warning") as server,
    ):
        picture = photograph(Path(folder))
        return asyncio.run(_measured(server, picture, SECONDS * scale))


async def _measured(server: Server, picture: Picture, seconds: float) -> Outcome:
    client, request = Client(server.port), post(_PATH, picture.body(RAW), picture.content_type)
    capacity = await saturation(client, request)
    unloaded = [await client.ask(request) for _ in range(100)]
    seen, live = await _surge(server, picture, TIMES * capacity, seconds)
    await asyncio.sleep(RECOVERY)
    after = [await client.ask(request) for _ in range(100)]
    client.close()
    return Outcome(
        f"ResNet-18 on a photograph of 640x480, deadline {DEADLINE:g} s, saturation {capacity:.1f} requests/s; "
        f"{seen.sent_per_second:,.0f} requests/s (Poisson) for {seconds:g} s: {seen.statuses}. The generator took "
        f"{seen.cpu_share:.2f} of a CPU from the service and was late by {seen.lag_p99_ms:.1f} ms (p99).",
        _figures(seen, live, unloaded, after, capacity),
        {"capacity": capacity, "seen": asdict(seen), "live": statuses(live)},
    )


async def _surge(server: Server, picture: Picture, rate: float, seconds: float) -> tuple[Seen, list[Answer]]:
    """What became of the requests, and of a question a tenth of a second whether the service lives."""
    live: list[Answer] = []
    client = Client(server.port)
    probing = asyncio.create_task(every(0.1, lambda: client.get(_LIVE), live))
    url = f"http://127.0.0.1:{server.port}{_PATH}"

    def flood() -> Seen:
        with sending(url, picture, RAW, rate, seconds) as result:
            pass
        return result[0]

    seen = await asyncio.to_thread(flood)
    probing.cancel()
    with suppress(asyncio.CancelledError):
        await probing
    client.close()
    return seen, live


def _figures(
    seen: Seen, live: list[Answer], unloaded: list[Answer], after: list[Answer], capacity: float
) -> list[Figure]:
    other = sum(found["count"] for status, found in seen.by_status.items() if status not in ("200", "429", "503"))
    broken = sum(seen.of(kind, "count") for kind in ("broken", "missing"))
    goodput = seen.of("200", "per_second") / capacity
    return [
        none_of(1, "answers other than 200, 429 and 503", other - broken),
        none_of(1, "requests without an answer", broken),
        at_least(1, "goodput / saturation", 0.9, goodput),
        at_most(1, "accepted, p99", 1e3 * DEADLINE, seen.of("200", "p99_ms"), " ms"),
        at_most(1, "refused, p99", 50, seen.of("503", "p99_ms"), " ms"),
        none_of(1, "refusals without Retry-After of 1 to 30 s", seen.without_retry_after),
        at_most(7, "/health/live during the overload, p99", 100, milliseconds(live, 0.99), " ms"),
        at_most(7, "/health/live during the overload, longest", 500, milliseconds(live, 1), " ms"),
        none_of(7, "/health/live during the overload, not 200", sum(one.status != 200 for one in live)),
        at_most(
            1,
            f"p99 {RECOVERY:g} s after the surge / before it",
            1.2,
            milliseconds(after, 0.99) / milliseconds(unloaded, 0.99),
        ),
    ]
