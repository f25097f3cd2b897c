"""uvicorn's HTTP protocol within bounds: what a client sends, how long it takes, how it is refused and let go.

Whatever stands before the application inherits from it. What it refuses itself is answered in the service's words;
where the application has the request already, that answers, by way of `REFUSAL`.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, ClassVar

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from service.connections.bounds import BODY_PIECE_BYTES, HEAD_PIECE_BYTES, LAST_REQUEST_SECONDS, LINGER_BYTES
from service.connections.crowd import Crowd
from service.connections.flow import HeldFlow
from service.connections.intake import BETWEEN, BODY, HEAD, Intake
from service.connections.lingering import LingeringTransport
from service.connections.patience import Awaited, Patience, Reading
from service.errors import BodyTimeoutError, FoveaError, HeadTimeoutError, MalformedRequestError

_SILENT = frozenset({"next", "head"})
REFUSAL = "refusal"  # in the scope's `state`: why the rest of the body does not come; who reads the body raises it


class GuardedProtocol(HttpToolsProtocol):
    """One connection. Whoever makes a class of it for a server gives that its `crowd`."""

    crowd: ClassVar[Crowd]
    transport: LingeringTransport
    flow: HeldFlow

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.intake = Intake(self)
        self.parser = HttpRequestParser(self.intake)
        self.patience = Patience(self.crowd.bounds.patience_seconds, self.loop.time())
        self.reading = Reading(self.crowd.bounds.patience_seconds, self.loop.time())
        self.held = 0
        self._is_let_go = False
        self._received = self._unwanted = self._seen = 0
        self._untaken = b""
        self._refusal: FoveaError | None = None

    # --- what asyncio tells

    def connection_made(self, transport: Any) -> None:  # uvloop's is no asyncio.Transport
        super().connection_made(transport)
        self.flow = HeldFlow(transport)
        self.transport = LingeringTransport(transport, self.loop, self.intake, self.crowd.draining)
        self.crowd.joined(self, self.loop)

    def connection_lost(self, exc: Exception | None) -> None:
        self.crowd.gives_back(self)
        self.crowd.left(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self.transport.lingers:
            self.transport.discard(len(data))
        if self._refusal is not None or self.transport.lingers:
            return
        self._unset_keepalive_if_required()
        self._take(memoryview(self._untaken + data) if self._untaken else data)

    def _take(self, data: bytes | memoryview) -> None:
        """Piece by piece, until a request waits for the answer to one before it: what is behind that stays bytes."""
        self._untaken = b""
        while data and self._refusal is None and not self.transport.is_closing():
            if self.pipeline:
                self._untaken = bytes(data)
                break
            size = BODY_PIECE_BYTES if self.intake.phase == BODY else HEAD_PIECE_BYTES
            if len(data) <= size:
                self._parse(data)
                break
            data = memoryview(data)
            self._parse(data[:size])
            data = data[size:]
        if self._refusal is None:
            self.flow.hold(on=bool(self._untaken))

    def _parse(self, data: bytes | memoryview) -> None:
        intake = self.intake
        before = intake.position() if intake.phase else None
        try:
            self._feed(data)
            if before:
                intake.grew(len(data), before)
                if intake.phase == BODY:
                    self._bound_unwanted(len(data))
        except HttpParserError as error:
            cause = error.__context__
            self.refuse(cause if isinstance(cause, FoveaError) else _malformed(error))
        except FoveaError as error:
            self.refuse(error)

    def _feed(self, data: bytes | memoryview) -> None:
        """An Upgrade is not heard: what stands behind it is the next request."""
        while data:
            try:
                self.parser.feed_data(data)
            except HttpParserUpgrade as upgrade:
                data = memoryview(data)[upgrade.args[0] :]
            else:
                return

    def _bound_unwanted(self, size: int) -> None:
        """The rest of a body whose request is answered already is read, for the next request, unless it is long."""
        if self._has_begun() and self.cycle.response_complete:
            self._unwanted += size
            if self._unwanted > LINGER_BYTES:
                self.transport.close()

    # --- what the parser tells, through the intake

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        if self.crowd.draining.active or (self.cycle.keep_alive and self.is_let_go()):
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        if not self.cycle.response_complete:
            self.crowd.keeps(self, len(body))

    def on_response_complete(self) -> None:
        self._unwanted = 0
        if self.held:
            self.crowd.gives_back(self)
        if self._refusal is not None and not self.pipeline and not self.transport.is_closing():
            self._tell(self._refusal)
            return
        super().on_response_complete()
        if self.intake.phase != BETWEEN:
            self._unset_keepalive_if_required()  # the connection is not idle: the next head, or the rest of the body
        if self._untaken and not self.pipeline:
            self._unset_keepalive_if_required()
            self.loop.call_soon(self._take_rest)

    def _take_rest(self) -> None:
        if self._untaken and not self.pipeline and not self.transport.is_closing():
            self._take(self._untaken)

    def is_let_go(self) -> bool:
        """Whether it ends behind the answer to come, and once so, always; who does not wait for answers is let be."""
        if not self._is_let_go and not self.pipeline and not self._untaken:
            self._is_let_go = self.client is not None and self.crowd.shares.lets_go()
        return self._is_let_go

    # --- refusing

    def refuse(self, error: FoveaError) -> None:
        """The connection ends over this, once what was asked before has its answer. Only the first time counts."""
        if self._refusal is not None or self.transport.is_closing():
            return
        self.hand_over()
        self._refusal = error
        self._untaken = b""
        self.flow.hold(on=True)  # until the answer is there; behind it the transport lingers
        self._unset_keepalive_if_required()
        cycle = self._latest()
        if cycle is None or cycle.response_complete:
            if self._has_begun():
                self.transport.close()
            else:
                self._tell(error)
        elif self._has_begun():  # else it waits for its turn
            cycle.keep_alive = False
            cycle.scope["state"][REFUSAL] = error
            cycle.message_event.set()

    def hand_over(self) -> None:
        """Whoever keeps requests from the application answers them now, or lets it have what has come of them."""

    def _tell(self, error: FoveaError) -> None:
        known = self._known()
        status, headers, body = self.crowd.wording(known, error)
        shown = b"" if known["method"] == "HEAD" else body
        self.write_answer(status, header_lines(headers), shown, keep_alive=False)
        self.transport.linger()

    def write_answer(self, status: int, headers: bytes, body: bytes, *, keep_alive: bool) -> None:
        """A whole answer, past the application; `headers` as `header_lines` gives them."""
        date = header_lines(self.server_state.default_headers)
        end = b"\r\n" if keep_alive else b"connection: close\r\n\r\n"
        self.transport.write(b"".join([STATUS_LINE[status], date, headers, end, body]))

    def _known(self) -> dict[str, Any]:
        """What is known of the request, as a scope: perhaps nothing."""
        begun = self.intake.phase != BETWEEN
        return {
            "type": "http",
            "method": self.parser.get_method().decode() if begun else "",
            "path": self.url.partition(b"?")[0].decode("latin-1") if begun else "",
            "query_string": b"",
            "headers": list(self.headers) if begun else [],
            "server": self.server,
            "peer": self.client[0] if self.client else None,
            "scheme": self.scheme,
        }

    # --- waiting

    def look(self, now: float) -> None:
        """What a round does: lets go who keeps us waiting too long."""
        is_answered = self.patience.look(self._awaited(), self.intake.messages, self._received, now)
        if is_answered or self.reading.unread:
            unread = self.transport.unread_bytes()
            self.reading.look(unread, self.transport.taken_bytes() if unread else 0, now)
        if self.reading.is_over(now):
            self.transport.reset()
        elif self.patience.is_over(now) and not self.transport.is_closing():
            self._is_late()

    def has_asked(self) -> bool:
        """Whether a client began a request since this was called last."""
        before, self._seen = self._seen, self.intake.messages
        return self._seen > before and self.client is not None

    def _is_late(self) -> None:
        seconds = self.crowd.bounds.patience_seconds
        if self.intake.phase == BODY:
            self.refuse(BodyTimeoutError(seconds))
        elif self.intake.phase == HEAD:
            self.refuse(HeadTimeoutError(seconds))
        else:
            self.transport.close()

    def _awaited(self) -> Awaited:
        if self.flow.read_paused or self._refusal is not None:
            return "us"
        if self.intake.phase == BODY:
            return "body"
        if (cycle := self._latest()) is not None and not cycle.response_complete:
            return "us"
        return "head" if self.timeout_keep_alive_task is None else "next"

    def silent_seconds(self, now: float) -> float:
        """How long it has been asking for nothing; 0 where it is asking."""
        awaited = self._awaited()
        if awaited not in _SILENT or (self.transport.is_closing() and not self.transport.lingers):
            return 0.0
        return self.patience.waited(awaited, self.intake.messages, now)

    def is_sending(self) -> bool:
        """The application has the head of a request whose body has not come to its end; nothing was refused."""
        return self._refusal is None and self._has_begun()

    def _has_begun(self) -> bool:
        cycle = self._latest()
        return self.intake.phase == BODY and cycle is not None and cycle.scope is self.scope

    def _latest(self) -> RequestResponseCycle | None:
        """None before the first request, which uvicorn's own type leaves out."""
        return self.cycle

    # --- leaving

    def last_answer(self) -> None:
        """The answer under way says that the connection ends behind it."""
        if (cycle := self._latest()) is not None and not cycle.response_complete:
            cycle.keep_alive = False

    def shutdown(self) -> None:
        """Called by uvicorn once nobody can connect any more. Who is asking something still gets its answer; who is
        not may be about to.
        """
        self.last_answer()
        if self._is_silent():
            self.loop.call_later(LAST_REQUEST_SECONDS, self._end_where_silent)

    def _end_where_silent(self) -> None:
        if self._is_silent():
            self.transport.close()

    def _is_silent(self) -> bool:
        return self._awaited() in _SILENT and self.intake.phase == BETWEEN


def _malformed(error: HttpParserError) -> MalformedRequestError:
    return MalformedRequestError(f"this is no HTTP/1.1 request: {error}", "see RFC 9112; a browser or curl sends one")


def header_lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """As they are sent."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])
