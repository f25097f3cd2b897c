"""The other worker processes of the service: what one is told to load or unload, all do; what all saw, one says.

Each listens on a socket file of its own as well, where it gets the same request again. Knows no route.
"""

import asyncio
import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request

from service.errors import PeerFailedError, shown


@dataclass(frozen=True)
class Peers:
    """The socket files of the others; none where the service is one process."""

    addresses: Sequence[Path] = ()

    async def repeat(self, request: Request) -> None:
        """Has every other worker answer the same request, one after the other; nothing where a worker asks already.

        Raises PeerFailedError with the first answer that is not 200, or none.
        """
        if is_from_peer(request):
            return
        body = await request.body()
        for address in self.addresses:
            try:
                status, answer = await _asked(address, _written(request, body))
            except OSError as error:  # it ended meanwhile; who takes its place loads what is in the folder
                raise PeerFailedError(f"gave no answer: {error.strerror}") from error
            if status != 200:
                raise PeerFailedError(f"answered {status}: {shown(answer, 300)}")

    async def answers(self, request: Request, seconds: float) -> list[str]:
        """What the other workers answer to the same GET; those that give none in time, or an error, are left out."""
        return [
            answer
            for answer in await asyncio.gather(*(self._answer(request, seconds, of) for of in self.addresses))
            if answer
        ]

    async def _answer(self, request: Request, seconds: float, address: Path) -> str:
        try:
            status, answer = await asyncio.wait_for(_asked(address, _written(request, b"")), seconds)
        except (OSError, TimeoutError):  # ended while it answered, or hangs
            return ""
        return answer if status == 200 else ""


def is_from_peer(request: Request) -> bool:
    """Whether another worker asks: then it came over a socket file, which has no port."""
    return request.scope["server"][1] is None


def _written(request: Request, body: bytes) -> bytes:
    token = request.headers.get("authorization", "")
    head = (
        f"{request.method} {request.url.path} HTTP/1.1\r\nhost: worker\r\nconnection: close\r\n"
        f"authorization: {token}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode("latin-1") + body


async def _asked(address: Path, request: bytes) -> tuple[int, str]:
    """The status and the body of the answer. Raises OSError where there is none."""
    reader, writer = await asyncio.open_unix_connection(str(address))
    try:
        writer.write(request)
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        if not head:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        return int(head.split(maxsplit=2)[1]), body.decode(errors="replace")
    finally:
        writer.close()
