"""Counts what clients get over HTTP, by the template of the route: plain calls for any door, and the middleware.

Never a label that a client chose: methods, routes and statuses are those the service has.
"""

import time
from collections.abc import Mapping
from typing import cast

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.engine.cells import NOW, Cells
from service.engine.durations import CELLS, Durations, durations, observe

ROUTE = "fovea.route"  # where a door before the router states, in the scope, which route it answers for
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_CLIENT_CLOSED_REQUEST = 499  # no answer was sent; nginx's number

Answered = tuple[str, str, int]  # method, template of the route, status


class HttpCounts:
    """Thread-safe, and right with all processes that share `cells`. One request costs about 2 µs."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        self._answers = cells.table("http", CELLS)
        self._refusals = cells.table("refusal", 1)
        self._service = cells.table("service", 0)

    def began(self) -> None:
        """A request is there; `answered` must follow."""
        with self._cells.lock:
            self._service["in flight"][0] += 1

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request that has its answer, `seconds` after it began. `route` is a template, never a client's path."""
        with self._cells.lock:
            self._service["in flight"][0] -= 1
            key = (method if method in _METHODS else "other", route, status)
            observe(self._answers[key], NOW, seconds)

    def refused(self, code: str) -> None:
        """One answer was a problem with this stable code."""
        with self._cells.lock:
            self._refusals[code][NOW] += 1

    def in_flight(self) -> int:
        return sum(int(cells[0]) for cells in self._cells.sums("service").values())

    def answers(self) -> Mapping[Answered, Durations]:
        sums = self._cells.sums("http")
        return {cast("Answered", key): durations(cells, NOW) for key, cells in sums.items()}

    def refusals(self) -> Mapping[str, int]:
        return {str(code): int(cells[NOW]) for code, cells in self._cells.sums("refusal").items()}


class Counted:
    """Counts every request that comes this far, before its client can see the end of the answer.

    Stands inside of what replaces the scope, outside of what answers.
    """

    def __init__(self, app: ASGIApp, counts: HttpCounts) -> None:
        self._app = app
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        one = _One(scope, self._counts)

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                one.status = message["status"]
            elif not message.get("more_body", False):
                one.ended()
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:
            one.status = one.status or 500  # the answer is made further out
            raise
        finally:
            one.ended()


class _One:
    """One request on its way."""

    def __init__(self, scope: Scope, counts: HttpCounts) -> None:
        self._scope, self._counts = scope, counts
        self._began: float | None = time.monotonic()
        self.status = 0
        counts.began()

    def ended(self) -> None:
        """Counts it, the first time."""
        if self._began is not None:
            seconds, self._began = time.monotonic() - self._began, None
            status = self.status or _CLIENT_CLOSED_REQUEST
            self._counts.answered(self._scope["method"], _route(self._scope), status, seconds)


def _route(scope: Scope) -> str:
    """The whole template, as /v1/models/{model}/classify; `unknown` where there is no route for the path."""
    if stated := scope.get(ROUTE):
        return str(stated)
    # Of an included router, FastAPI's route knows its own part only; the whole stands beside it.
    route = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
    if route is not None:
        return str(route.path_format)
    return "other" if "endpoint" in scope else "unknown"  # the files of /docs are no routes of ours
