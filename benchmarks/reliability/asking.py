"""An HTTP client on asyncio that says what became of each request, never how it should have. Knows no scenario.

`open_loop` sends when requests are due, whether or not those before are answered; `closed_loop` as fast as answers
come.
"""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.open_loop import quantile

BROKEN = 0  # the status of a request without an answer: refused, reset, closed, or nothing in time
_IDLE_SECONDS = 1.0  # uvicorn closes what was idle for 5 s
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Answer:
    """`ended` and `seconds` (from when it was due) are of `time.perf_counter`; `why` says what broke it."""

    status: int
    ended: float
    seconds: float
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    why: str = ""


@dataclass(frozen=True)
class Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class Client:
    """Kept-alive connections to one port, as many as are needed at once. Of one event loop."""

    def __init__(self, port: int, *, keep_alive: bool = True) -> None:
        self._port, self._keep_alive = port, keep_alive
        self._idle: list[tuple[Connection, float]] = []

    async def get(self, path: str) -> Answer:
        return await self.ask(head("GET", path))

    async def ask(self, request: bytes, due: float | None = None) -> Answer:
        """`request` is the whole of it, head and body."""
        began = time.perf_counter() if due is None else due
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                status, headers, body = await self._asked(request)
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            ended = time.perf_counter()
            return Answer(BROKEN, ended, ended - began, why=f"{type(error).__name__}: {error}")
        ended = time.perf_counter()
        return Answer(status, ended, ended - began, headers, body)

    async def _asked(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = self._reused() or await connected(self._port)
        done = False
        try:
            connection.writer.write(request)
            answer = await answered(connection.reader)
            done = True
        finally:
            if done and self._keep_alive and answer[1].get("connection") != "close":
                self._idle.append((connection, time.perf_counter()))
            else:
                connection.writer.close()
        return answer

    def _reused(self) -> Connection | None:
        """The last one used that nobody has closed meanwhile."""
        while self._idle:
            connection, since = self._idle.pop()
            if since > time.perf_counter() - _IDLE_SECONDS and not connection.reader.at_eof():
                return connection
            connection.writer.close()
        return None

    def close(self) -> None:
        for connection, _ in self._idle:
            connection.writer.close()
        self._idle.clear()


async def connected(port: int) -> Connection:
    return Connection(*await asyncio.open_connection("127.0.0.1", port))


async def answered(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """Status, headers in lower case, body; EOFError where the connection ended before."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:-2])}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return int(lines[0].split()[1]), headers, body


@contextmanager
def open_connections(port: int, request: bytes, count: int) -> Iterator[list[socket.socket]]:
    """So many connections on each of which the request was sent, and nothing is read. Closed with the block."""
    made: list[socket.socket] = []
    try:
        for _ in range(count):
            made.append(socket.create_connection(("127.0.0.1", port)))
            made[-1].sendall(request)
        yield made
    finally:
        for one in made:
            one.close()


def head(method: str, path: str, length: int | None = None, content_type: str = "image/png") -> bytes:
    body = "" if length is None else f"content-type: {content_type}\r\ncontent-length: {length}\r\n"
    return f"{method} {path} HTTP/1.1\r\nhost: fovea\r\n{body}\r\n".encode()


def post(path: str, body: bytes, content_type: str = "image/png") -> bytes:
    return head("POST", path, len(body), content_type) + body


async def closed_loop(client: Client, request: bytes, clients: int, seconds: float) -> list[Answer]:
    """Each of so many clients asks again as soon as it is answered."""
    answers: list[Answer] = []
    end = time.perf_counter() + seconds

    async def one() -> None:
        while time.perf_counter() < end:
            answers.append(await client.ask(request))

    await asyncio.gather(*(one() for _ in range(clients)))
    return answers


async def saturation(client: Client, request: bytes, clients: int = 16, seconds: float = 5.0) -> float:
    """Answers of status 200 a second that so many closed clients get, after a second of warming."""
    await closed_loop(client, request, clients, 1.0)
    began = time.perf_counter()
    good = [answer for answer in await closed_loop(client, request, clients, seconds) if answer.status == 200]
    return len(good) / (time.perf_counter() - began)


async def open_loop(
    offsets: Iterable[float], send: Callable[[float], Awaitable[None]], stopped: Callable[[], bool] = lambda: False
) -> None:
    """`send(due)` at each offset (seconds from now, ascending), each as a task of its own; waits for all of them."""
    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for offset in offsets:
            await asyncio.sleep(max(0.0, began + offset - time.perf_counter()))
            if stopped():
                return
            tasks.create_task(_sent(send, began + offset))


async def _sent(send: Callable[[float], Awaitable[None]], due: float) -> None:
    await send(due)


async def every(seconds: float, ask: Callable[[], Awaitable[Answer]], into: list[Answer]) -> None:
    """Asks again and again, for ever: to be cancelled."""
    while True:
        into.append(await ask())
        await asyncio.sleep(seconds)


def milliseconds(answers: Iterable[Answer], share: float) -> float:
    """The quantile of their latencies."""
    return 1e3 * quantile([answer.seconds for answer in answers], share)


def statuses(answers: Iterable[Answer]) -> dict[int, int]:
    found: dict[int, int] = {}
    for answer in answers:
        found[answer.status] = found.get(answer.status, 0) + 1
    return dict(sorted(found.items()))
