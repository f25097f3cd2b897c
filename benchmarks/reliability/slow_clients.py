"""Five hundred clients that are slow on purpose: with their headers, with their body, with reading the answer."""

import asyncio
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.arrivals import Seen, send
from benchmarks.pictures import RAW, seven
from benchmarks.reliability.asking import head
from benchmarks.reliability.figures import Figure, Outcome, at_most, none_of
from benchmarks.reliability.repository import shipped
from benchmarks.reliability.sampling import settled
from benchmarks.reliability.serving import service
from benchmarks.server import Server

CLIENTS = 500
ARRIVALS = 100.0  # a second: all at once they are a flood of new connections first, and slow only then
MOST_SECONDS = 45.0  # 10 s without a header or a read, 30 s for a small body, and 5 s
_HONEST_SECONDS, _HONEST_PAUSE = 8.0, 0.02
_PATH = "/v1/models/mnist/classify"


@dataclass(frozen=True)
class Slow:
    """What is sent at once, and then byte by byte, one a second; a `deaf` one takes nothing from its socket."""

    name: str
    first: bytes
    drip: bytes
    deaf: bool = False


KINDS = (
    Slow("headers", b"GET /health/live HTTP/1.1\r\nhost: fovea\r\n", b"x-slow: " + b"a" * 1000),
    Slow("a body", head("POST", _PATH, 100_000), b"\x89" * 1000),
    Slow("reading", head("GET", "/static-offline-docs/swagger-ui-bundle.js") * 4, b"", deaf=True),
)


def outcome(scale: float) -> Outcome:
    with TemporaryDirectory() as folder, TemporaryDirectory() as temporary:
        models = shipped(Path(folder), "mnist")
        with service(models, workers=1, variables={"TMPDIR": temporary}) as server:
            return asyncio.run(_measured(server, Path(temporary), round(CLIENTS * scale)))


async def _measured(server: Server, temporary: Path, clients: int) -> Outcome:
    before = await asyncio.to_thread(settled, server.process.pid, temporary, 2.0)
    alone = await asyncio.to_thread(_honest, server)
    figures, raw = [], {}
    for kind in KINDS:
        ended, beside = await _attacked(server, kind, clients)
        figures += _figures(kind, ended, clients, alone, beside)
        raw[kind.name] = {"ended": ended, "honest": asdict(beside)}
    after = await asyncio.to_thread(settled, server.process.pid, temporary, 2.0)
    open_more = sum(one.descriptors for one in after.held.values()) - sum(
        one.descriptors for one in before.held.values()
    )
    figures.append(at_most(13, "file descriptors more than before", 5, open_more))
    return Outcome(
        f"`mnist` on one worker, {clients} slow clients of each kind; beside them an honest one, in a process of "
        f"its own, asks every 20 ms (p99 alone {_p99(alone):.1f} ms).",
        figures,
        raw,
    )


def _figures(kind: Slow, ended: list[float], clients: int, alone: Seen, beside: Seen) -> list[Figure]:
    ratio = _p99(beside) / _p99(alone)
    longest = f"{max(ended):.1f} s" if len(ended) == clients else f"not within {MOST_SECONDS:g} s"
    return [
        Figure(13, f"slow with {kind.name}: connections closed", f"{clients}", f"{len(ended)}", len(ended) == clients),
        Figure(13, f"slow with {kind.name}: until the last is closed", "", longest),
        at_most(13, f"slow with {kind.name}: p99 of an honest client / alone", 2.0, ratio),
        none_of(13, f"slow with {kind.name}: honest requests not answered 200", beside.not_ok),
    ]


async def _attacked(server: Server, kind: Slow, clients: int) -> tuple[list[float], Seen]:
    """After how many seconds each connection was closed, those that were; what the honest client saw meanwhile."""
    ended: list[float] = []
    slow = [asyncio.create_task(_slowly(server.port, kind, ended, number / ARRIVALS)) for number in range(clients)]
    beside = await asyncio.to_thread(_honest, server)
    await asyncio.wait(slow, timeout=MOST_SECONDS - _HONEST_SECONDS)
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)
    return ended, beside


def _honest(server: Server) -> Seen:
    url = f"http://127.0.0.1:{server.port}{_PATH}"
    return send(url, seven(), RAW, 1 / _HONEST_PAUSE, _HONEST_SECONDS, "even")


def _p99(honest: Seen) -> float:
    """Milliseconds."""
    return honest.of("200", "p99_ms")


async def _slowly(port: int, kind: Slow, ended: list[float], after: float) -> None:
    """From then on until the server closes the connection, which a deaf client sees by an error of its socket."""
    await asyncio.sleep(after)
    plug = socket.socket()
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plug.setblocking(False)
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_connect(plug, ("127.0.0.1", port))
        began = time.monotonic()
        await loop.sock_sendall(plug, kind.first)
        for byte in kind.drip or bytes(1000):
            await asyncio.sleep(1.0)
            if _is_closed(plug, deaf=kind.deaf):
                break
            if not kind.deaf:
                plug.send(bytes([byte]))
        ended.append(time.monotonic() - began)
    except OSError:
        ended.append(time.monotonic() - began)
    finally:
        plug.close()


def _is_closed(plug: socket.socket, *, deaf: bool) -> bool:
    """By the other side. What the service says before it closes is read, but not by the deaf."""
    if deaf:
        return plug.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0 or _state(plug) != _ESTABLISHED
    try:
        while plug.recv(65536):
            pass
    except BlockingIOError:
        return False
    return True


_ESTABLISHED = 1


def _state(plug: socket.socket) -> int:
    """TCP's own, the first byte of TCP_INFO; Linux only."""
    return plug.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
