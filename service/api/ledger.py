"""Where every door reports its requests: each is counted, written into the log and traced from the same facts."""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.facts import Facts
from service.api.http_counts import METHODS, HttpCounts

if TYPE_CHECKING:
    from service.api.tracing import Tracing

ROUTE = "fovea.route"  # where a door before the router states, in the scope, which route it answers for
CLIENT_CLOSED_REQUEST = 499  # no answer was sent; nginx's number

_LEVELS = {logging.INFO: "info", logging.WARNING: "warning", logging.ERROR: "error"}

log = logging.getLogger("fovea")


class Ledger:
    """Thread-safe. `write` takes one line with its end, as `logs.Log.write`; without one there is no line."""

    def __init__(self, counts: HttpCounts, write: Callable[[bytes], None] | None = None) -> None:
        self.counts = counts
        self.tracing: Tracing | None = None  # once the worker runs: its thread would not outlive a fork
        self._write = write

    def began(self) -> None:
        """A request is there; `answered` must follow."""
        self.counts.began()

    def answered(self, facts: Facts) -> None:
        """One request has its answer, or will never have one. To be called before its client can see the end of it."""
        facts.ended = time.monotonic()
        self.counts.answered(facts.method, facts.route, facts.status, facts.seconds)
        if self._write is not None and log.isEnabledFor(level := _level(facts.status)):
            self._write(line(facts, level))
        if self.tracing is not None and facts.trace is not None:
            self.tracing.ended(facts)


def line(facts: Facts, level: int) -> bytes:
    """One line of JSON. Costs 6 µs. Nothing in it is a text that a client chose, so no field needs cutting."""
    fields: dict[str, Any] = {
        "time": datetime.now(UTC),
        "level": _LEVELS[level],
        "message": "request",
        "request_id": facts.request_id,
        "client": facts.client,
        "method": facts.method,
        "route": facts.route,
        "status": facts.status,
        "bytes_in": facts.bytes_in,
        "bytes_out": facts.bytes_out,
        "ms": round(1000 * facts.seconds, 3),
    }
    if facts.code is not None:
        fields["code"] = facts.code
    if facts.token is not None:
        fields["token"] = facts.token
    if facts.model is not None:
        fields["model"], fields["version"], fields["provider"] = facts.model, facts.version, facts.provider
    if facts.stages is not None:
        for stage, spent in facts.stages.milliseconds.items():
            fields[f"{stage}_ms"] = round(spent, 3)
    return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)


def _level(status: int) -> int:
    """The service's own trouble stands out; what a client did wrong does not."""
    if status < 500:
        return logging.INFO
    return logging.ERROR if status == 500 else logging.WARNING


class Recorded:
    """Reports every request that comes this far, before its client can see the end of the answer.

    Stands inside of what replaces the scope, outside of what answers.
    """

    def __init__(self, app: ASGIApp, ledger: Ledger) -> None:
        self._app = app
        self._ledger = ledger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        one = _One(scope, self._ledger)

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                one.facts.status = message["status"]
            else:
                one.facts.bytes_out += len(message.get("body", b""))
                if not message.get("more_body", False):
                    one.ended()
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:  # the answer is made further out
            one.facts.status = one.facts.status or 500
            one.facts.code = "internal_error"
            log.exception("request failed", extra={"fields": {"request_id": one.facts.request_id}})
            raise
        finally:
            one.ended()


class _One:
    """One request on its way."""

    def __init__(self, scope: Scope, ledger: Ledger) -> None:
        self._scope, self._ledger, self._is_open = scope, ledger, True
        state, method, client = scope.setdefault("state", {}), scope["method"], scope.get("client")
        self.facts = state["facts"] = Facts(
            request_id=state.get("request_id", ""),
            method=method if method in METHODS else "other",
            client=client[0] if client else None,
        )
        ledger.began()
        if ledger.tracing is not None:
            ledger.tracing.began(self.facts, scope["headers"])

    def ended(self) -> None:
        """Reports it, the first time."""
        if self._is_open:
            self._is_open = False
            self.facts.status = self.facts.status or CLIENT_CLOSED_REQUEST
            self.facts.route = _route(self._scope)
            self._ledger.answered(self.facts)


def _route(scope: Scope) -> str:
    """The whole template, as /v1/models/{model}/classify; `unknown` where there is no route for the path."""
    if stated := scope.get(ROUTE):
        return str(stated)
    # Of an included router, FastAPI's route knows its own part only; the whole stands beside it.
    route = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
    if route is not None:
        return str(route.path_format)
    return "other" if "endpoint" in scope else "unknown"  # the files of /docs are no routes of ours
