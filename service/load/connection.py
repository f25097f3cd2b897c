"""One connection to the service: a request goes out, its answer comes back, and it stays open for the next."""

import asyncio
import os
import time
from dataclasses import dataclass

import httptools

from service.load.address import Address

PATIENCE_SECONDS = 30.0  # the service itself gives up after 10, unless it is set otherwise
_CHUNK_BYTES = 1 << 16
# uvicorn closes a connection that was idle for 5 s; one that it may be closing just now would look like its failure.
_IDLE_SECONDS = 1.0


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes


class Connection:
    """Opened by the first question, and anew after the service closed it. Not for two questions at once."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._used = 0.0

    async def ask(self, request: bytes) -> Answer:
        """Raises OSError where there is no whole answer in time."""
        if time.monotonic() - self._used > _IDLE_SECONDS:
            self.close()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                answer, stays = await self._exchanged(request)
        except BaseException:
            self.close()
            raise
        self._used = time.monotonic()
        if not stays:
            self.close()
        return answer

    async def _exchanged(self, request: bytes) -> tuple[Answer, bool]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._address.host, self._address.port)
        reader, writer = self._streams
        writer.write(request)
        reading = _Reading()
        while not reading.whole:
            data = await reader.read(_CHUNK_BYTES)
            if not data:
                raise ConnectionResetError(None, "closed before the answer's end")
            reading.feed(data)
        return Answer(reading.parser.get_status_code(), bytes(reading.body)), reading.stays

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None


def reason(error: OSError) -> str:
    """Why there is no answer, without the address that asyncio puts into it."""
    if isinstance(error, TimeoutError) and error.errno is None:
        return f"none in {PATIENCE_SECONDS:g} s"
    if error.errno is not None and error.errno > 0:  # name resolution has numbers of its own, below 0
        return os.strerror(error.errno)
    return error.strerror or str(error)


class _Reading:
    """An answer as far as it has come; httptools calls the methods that begin with `on_`."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.body = bytearray()
        self.whole = self.stays = False

    def feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise ConnectionError(None, "what answers does not speak HTTP") from error

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.whole, self.stays = True, self.parser.should_keep_alive()  # which the parser forgets behind this
