"""Bytes sent to a service as they are, and every answer to them, as it came over the socket."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, BinaryIO

Address = tuple[str, int]
PATIENT = 120.0  # seconds; a busy machine is no failure


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> tuple[int, str]:
        """The status and the code of a problem."""
        assert self.headers["content-type"] == "application/problem+json", self
        found: dict[str, Any] = json.loads(self.body)
        assert found["status"] == self.status
        return self.status, found["code"]


def head(line: str = "GET /health/live HTTP/1.1", *headers: str, host: str | None = "Host: x") -> bytes:
    lines = [line, *([host] if host else []), *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def post(path: str, body: bytes, *headers: str) -> bytes:
    return head(f"POST {path} HTTP/1.1", f"Content-Length: {len(body)}", *headers) + body


@contextmanager
def connected(address: Address, sent: bytes = b"") -> Iterator[socket.socket]:
    with socket.create_connection(address, timeout=PATIENT) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(sent)
        yield connection


def exchanged(address: Address, sent: bytes) -> list[Answer]:
    """Every answer until the service closes the connection, if by a reset: some send more than it takes."""
    found: list[Answer] = []
    with connected(address) as connection:
        with suppress(ConnectionError):  # what it answered before can be read
            connection.sendall(sent)
        with connection.makefile("rb") as stream, suppress(ConnectionError):
            found.extend(_answers(stream))
    return found


def answers(connection: socket.socket) -> list[Answer]:
    """Every answer until the service closes the connection, which must not be by a reset."""
    with connection.makefile("rb") as stream:
        return list(_answers(stream))


def answer(connection: socket.socket) -> Answer:
    """The next answer, read byte by byte so that nothing behind it is lost."""
    with connection.makefile("rb", buffering=0) as stream:
        return next(_answers(stream))  # type: ignore[arg-type]  # unbuffered, it has `readline` and `read` all the same


def _answers(stream: BinaryIO) -> Iterator[Answer]:
    while line := stream.readline():
        headers = {}
        while field := stream.readline().strip():
            name, _, value = field.decode("latin-1").partition(": ")
            headers[name.lower()] = value
        status = int(line.split()[1])
        length = 0 if status == 100 else int(headers.get("content-length", 0))
        yield Answer(status, headers, _exactly(stream, length))


def _exactly(stream: BinaryIO, size: int) -> bytes:
    found = b""
    while len(found) < size and (piece := stream.read(size - len(found))):
        found += piece
    return found
