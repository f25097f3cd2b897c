"""Three thousand clients that leave: in the middle of an upload, while they wait, while their image is run."""

import asyncio
import random
import socket
import struct
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import networks
from benchmarks.pictures import RAW, photograph
from benchmarks.reliability.asking import Client, Connection, closed_loop, connected, post, saturation
from benchmarks.reliability.figures import Figure, Outcome, at_most, none_of
from benchmarks.reliability.sampling import Sample, settled
from benchmarks.reliability.serving import complaints, service
from benchmarks.server import Server

CLIENTS = 1000  # of each kind
_TOGETHER = 100
_WAIT_SECONDS = 0.05
_EXECUTORS = 4  # at most so many runs are under way when a wave leaves
_PATH = f"/v1/models/{networks.NAME}/versions/1/classify"
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closed with a reset


def outcome(scale: float) -> Outcome:
    with TemporaryDirectory() as folder, TemporaryDirectory() as temporary:
        picture = photograph(Path(folder))
        request = post(_PATH, picture.body(RAW), picture.content_type)
        with service(networks.repository(), workers=1, variables={"TMPDIR": temporary}) as server:
            return asyncio.run(_measured(server, Path(temporary), request, round(CLIENTS * scale)))


async def _measured(server: Server, temporary: Path, request: bytes, clients: int) -> Outcome:
    client = Client(server.port)
    capacity = await saturation(client, request, seconds=3.0)
    await _all_kinds(server, request, max(_TOGETHER, clients // 5))
    client.close()
    before = await asyncio.to_thread(settled, server.process.pid, temporary)
    ran, seconds = await _all_kinds(server, request, clients)
    after = await asyncio.to_thread(settled, server.process.pid, temporary)
    client = Client(server.port)
    sound = await closed_loop(client, request, 1, 1.0)
    client.close()
    waves = -(-clients // _TOGETHER)
    allowed = waves * (_WAIT_SECONDS * capacity + _EXECUTORS)
    return Outcome(
        f"ResNet-18, {clients:,} clients of each kind, {_TOGETHER} at once; half close, half reset. "
        f"While nothing vanishes it runs {capacity:.1f} images/s.",
        [
            none_of(3, "images run for who left during the upload", ran["uploading"], f" of {clients:,}"),
            at_most(3, f"images run for who left the queue after {_WAIT_SECONDS:g} s", allowed, ran["waiting"]),
            at_most(3, "images run for who left during the run", clients, ran["running"]),
            *_left_behind(before, after),
            none_of(3, "errors and tracebacks in the log", len(complaints(server.log.read_text()))),
            none_of(3, "requests afterwards not answered 200", sum(one.status != 200 for one in sound)),
        ],
        {"ran": ran, "seconds": seconds},
    )


def _left_behind(before: Sample, after: Sample) -> list[Figure]:
    descriptors = [sum(one.descriptors for one in sample.held.values()) for sample in (before, after)]
    return [
        at_most(3, "file descriptors more than before", 5, descriptors[1] - descriptors[0]),
        none_of(3, "temporary files more than before", after.temporary_files - before.temporary_files),
        at_most(3, "memory more than before", 5, after.resident_mib() - before.resident_mib(), " MiB"),
    ]


async def _all_kinds(server: Server, request: bytes, clients: int) -> tuple[dict[str, int], dict[str, float]]:
    """Images run for each kind, and how long it took."""
    ran, seconds = {}, {}
    for name, leave, together in (
        ("uploading", _uploading, _TOGETHER),
        ("waiting", _waiting, _TOGETHER),
        ("running", _running, 1),
    ):
        before, began = await asyncio.to_thread(_images_run, server), time.monotonic()
        for start in range(0, clients, together):
            count = min(together, clients - start)
            await asyncio.gather(*(leave(server.port, request) for _ in range(count)))
        seconds[name] = time.monotonic() - began
        await asyncio.sleep(1.0)
        ran[name] = await asyncio.to_thread(_images_run, server) - before
    return ran, seconds


async def _uploading(port: int, request: bytes) -> None:
    connection = await connected(port)
    connection.writer.write(request[: len(request) // 2])
    await connection.writer.drain()
    _leave(connection)


async def _waiting(port: int, request: bytes) -> None:
    connection = await connected(port)
    connection.writer.write(request)
    await connection.writer.drain()
    await asyncio.sleep(_WAIT_SECONDS)
    _leave(connection)


async def _running(port: int, request: bytes) -> None:
    """Alone, so that its run begins as soon as it is decoded."""
    connection = await connected(port)
    connection.writer.write(request)
    await connection.writer.drain()
    await asyncio.sleep(random.uniform(0.002, 0.02))
    _leave(connection)


def _leave(connection: Connection) -> None:
    if random.random() < 0.5:
        connection.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        connection.writer.transport.abort()
    else:
        connection.writer.close()


def _images_run(server: Server) -> int:
    versions = server.get(f"/v2/models/{networks.NAME}/stats")["model_stats"]
    return sum(int(version["inference_count"]) for version in versions)
