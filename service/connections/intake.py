"""What comes in over one connection, counted between the parser and the protocol.

Raises where a request is more, or other, than is taken: the parser stops there and the error is the context of its own.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from service.connections.bounds import FRAMING_BYTES, HEADER_BYTES, HEADERS, HEADERS_BYTES, TARGET_BYTES
from service.errors import ChunksTooSmallError, HeadTooLargeError, MalformedRequestError, TargetTooLongError

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

BETWEEN, HEAD, BODY = range(3)  # where in a request the parser is

_HOST: Final = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=%-]+(:[0-9]*)?|\[[0-9A-Fa-f:.]+\](:[0-9]*)?")
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})
_VERSIONS: Final = frozenset({"1.1", "1.0"})

Headers = Sequence[tuple[bytes, bytes]]


class _OverError(Exception):
    """What stands behind a request whose answer was the connection's last: it is not heard (RFC 9112, 9.6)."""


class Intake:
    """The parser's callbacks. `phase` is where it is, `messages` how many requests have begun, `body` the bytes of all
    their bodies.
    """

    def __init__(self, protocol: "HttpToolsProtocol") -> None:
        self._protocol: Any = protocol
        self.phase = BETWEEN
        self.messages = self.body = 0
        self._target = self._headers = self._header_bytes = self._grown = 0

    def on_message_begin(self) -> None:
        self.phase = HEAD
        self.messages += 1
        self._target = self._headers = self._header_bytes = self._grown = 0
        self._protocol.on_message_begin()
        if self._protocol.transport.is_closing():
            raise _OverError

    def on_url(self, piece: bytes) -> None:
        self._target += len(piece)
        if self._target > TARGET_BYTES:
            raise TargetTooLongError(TARGET_BYTES)
        self._protocol.on_url(piece)

    def on_header(self, name: bytes, value: bytes) -> None:
        size = len(name) + len(value) + 4  # `: ` and the end of the line
        self._headers += 1
        self._header_bytes += size
        if size > HEADER_BYTES or self._header_bytes > HEADERS_BYTES or self._headers > HEADERS:
            raise HeadTooLargeError(HEADERS, HEADER_BYTES, HEADERS_BYTES)
        if self.phase == HEAD:  # else a trailer, which nobody asked for
            self._protocol.on_header(name, value)

    def on_headers_complete(self) -> None:
        protocol = self._protocol
        refuse_ambiguous(
            protocol.parser.get_http_version(), protocol.headers, upgrades=protocol.parser.should_upgrade()
        )
        self.phase = BODY
        self._grown = 0
        protocol.on_headers_complete()

    def on_body(self, piece: bytes) -> None:
        self.body += len(piece)
        self._protocol.on_body(piece)

    def on_message_complete(self) -> None:
        self.phase = BETWEEN
        self._protocol.on_message_complete()

    def position(self) -> tuple[int, int, int]:
        """To be given to `grew` behind the next bytes."""
        return self.messages, self.phase, self.body

    def grew(self, size: int, since: tuple[int, int, int]) -> None:
        """So many bytes came since then. Raises where the parser keeps too many of them, or gets too little out of
        them: a line that does not end, chunks of a byte.
        """
        messages, phase, body = since
        if (messages, phase) != (self.messages, self.phase):
            return  # what was begun has ended meanwhile, within bounds
        self._grown += size - (self.body - body)
        if phase == HEAD and self._grown > TARGET_BYTES + HEADERS_BYTES:
            raise HeadTooLargeError(HEADERS, HEADER_BYTES, HEADERS_BYTES)
        if phase == BODY and self._grown > FRAMING_BYTES:
            raise ChunksTooSmallError(FRAMING_BYTES)


def refuse_ambiguous(version: str, headers: Headers, *, upgrades: bool) -> None:
    """Raises MalformedRequestError where two readers could take the head for two different requests."""
    if version not in _VERSIONS:
        raise MalformedRequestError(f"HTTP/{version} is not spoken here", "send HTTP/1.1")
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) != 1 and (hosts or version == "1.1"):
        found = "are two Host headers" if hosts else "is no Host header"
        raise MalformedRequestError(f"there {found}", "send one")
    if hosts and _HOST.fullmatch(hosts[0]) is None:
        raise MalformedRequestError("the Host header is not a host", "send the name and the port that you connect to")
    framing = [one for one in headers if one[0] in _FRAMING]
    codings = [value.lower() for name, value in framing if name == b"transfer-encoding"]
    if codings and (codings != [b"chunked"] or version != "1.1"):
        raise MalformedRequestError("this Transfer-Encoding is not read", "send `chunked` over HTTP/1.1, or none")
    if upgrades and any(value != b"0" for _, value in framing):
        raise MalformedRequestError("there is a body behind an Upgrade", "send it without one; curl: --http1.1")
