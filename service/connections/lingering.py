"""A transport whose end does not cost the client its answer.

Who closes a socket while there is something unread makes the kernel send a reset, and the client may see that instead
of what was answered. So behind a request that was not read to its end the service says that it has no more to say
(FIN), and throws away what still comes: for a moment, and not much (RFC 9112, 9.6).
"""

import asyncio
import socket
import struct
import sys
from typing import Any

from service.connections.bounds import LINGER_BYTES, LINGER_SECONDS
from service.connections.intake import BETWEEN, Intake

_ACKNOWLEDGED = slice(120, 128)  # tcpi_bytes_acked of struct tcp_info
_AT_ONCE = struct.pack("ii", 1, 0)  # struct linger: on, for no second


class LingeringTransport(asyncio.Transport):
    """`transport`, whose `close` lingers within a request. From then on `is_closing`."""

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop, intake: Intake) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._intake = intake
        self.write = transport.write  # type: ignore[method-assign]  # the hot path: without a call in between
        self.lingers = False
        self._left = LINGER_BYTES

    def linger(self) -> None:
        """What was written is sent, what comes is to be given to `discard`; soon it is closed."""
        if self.is_closing():
            return
        self.lingers = True
        self.write = _dropped  # type: ignore[method-assign,assignment]
        if not self._transport.can_write_eof():
            self._transport.close()
            return
        self._transport.write_eof()
        self._transport.resume_reading()
        self._loop.call_later(LINGER_SECONDS, self._transport.abort)

    def discard(self, size: int) -> None:
        """So many bytes came that nobody reads; too many of them and it is closed."""
        self._left -= size
        if self._left < 0:
            self._transport.close()

    def close(self) -> None:
        if self._intake.phase == BETWEEN:
            self.write = _dropped  # type: ignore[method-assign,assignment]
            self._transport.close()
        else:
            self.linger()

    def is_closing(self) -> bool:
        return self.lingers or self._transport.is_closing()

    def abort(self) -> None:
        """Whoever is answering learns of it a moment later, and writes on until then."""
        self.write = _dropped  # type: ignore[method-assign,assignment]
        self._transport.abort()

    def reset(self) -> None:
        """As `abort`; what the other end has not read yet is let go at once, which the kernel would keep for it."""
        one = self._transport.get_extra_info("socket")
        if one is not None and one.family != socket.AF_UNIX:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.abort()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def get_write_buffer_size(self) -> int:
        size: int = self._transport.get_write_buffer_size()
        return size

    def taken_bytes(self) -> int:
        """What the other end has acknowledged since it connected; 0 where nobody knows: Linux does, of TCP."""
        one = self._transport.get_extra_info("socket")
        if sys.platform != "linux" or one is None or one.family == socket.AF_UNIX:
            return 0
        told = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKNOWLEDGED.stop)
        return int.from_bytes(told[_ACKNOWLEDGED], sys.byteorder)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)


def _dropped(_data: object) -> None:
    """Writes nothing."""
