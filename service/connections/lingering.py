"""A transport whose end does not cost the client its answer.

Who closes a socket while there is something unread makes the kernel send a reset, and the client may see that instead
of what was answered. So behind a request that was not read to its end the service says that it has no more to say
(FIN), and throws away what still comes: for a moment, and not much (RFC 9112, 9.6). Likewise where much of an answer is
still to be taken: behind a close the kernel would keep it, for as long as the client likes, and nobody could look.
"""

import asyncio
import fcntl
import socket
import struct
import sys
import termios
from typing import Any

from service.connections.bounds import LINGER_BYTES, LINGER_SECONDS, UNSEEN_BYTES
from service.connections.draining import Draining
from service.connections.intake import BETWEEN, Intake

_ACKNOWLEDGED = slice(120, 128)  # tcpi_bytes_acked of struct tcp_info
_COUNT = struct.Struct("i")
_AT_ONCE = struct.pack("ii", 1, 0)  # struct linger: on, for no second


class LingeringTransport(asyncio.Transport):
    """`transport`, whose `close` lingers within a request and before a slow reader. From then on `is_closing`.

    While it drains it waits for nobody who reads: the process could not end, and the kernel goes on without it.
    """

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop, intake: Intake, draining: Draining) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._intake = intake
        self._draining = draining
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
        self._loop.call_later(LINGER_SECONDS, self._end)

    def discard(self, size: int) -> None:
        """So many bytes came that nobody reads; too many of them and it is closed."""
        self._left -= size
        if self._left < 0:
            self._transport.close()

    def close(self) -> None:
        if self._intake.phase == BETWEEN and not self._is_owed():
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

    def unread_bytes(self) -> int:
        """What was written and has no room in the kernel; where the kernel holds much of it (Linux, TCP), that too."""
        one, waiting = self._transport.get_extra_info("socket"), self.get_write_buffer_size()
        if sys.platform != "linux" or one is None or one.family == socket.AF_UNIX or one.fileno() < 0:
            return waiting
        (held,) = _COUNT.unpack(fcntl.ioctl(one.fileno(), termios.TIOCOUTQ, bytes(_COUNT.size)))
        return waiting + held if held > UNSEEN_BYTES else waiting

    def taken_bytes(self) -> int:
        """What the other end has acknowledged since it connected; 0 where nobody knows: Linux does, of TCP."""
        one = self._transport.get_extra_info("socket")
        if sys.platform != "linux" or one is None or one.family == socket.AF_UNIX:
            return 0
        told = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKNOWLEDGED.stop)
        return int.from_bytes(told[_ACKNOWLEDGED], sys.byteorder)

    def _is_owed(self) -> bool:
        return not self._draining.active and self.unread_bytes() > 0

    def _end(self) -> None:
        """Unless somebody is still reading, and not too slowly: then whoever looks at all connections resets it."""
        if self._is_owed():
            self._loop.call_later(LINGER_SECONDS, self._end)
        else:
            self._transport.abort()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)


def _dropped(_data: object) -> None:
    """Writes nothing."""
