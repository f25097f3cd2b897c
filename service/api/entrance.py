"""Who comes in: the token and the quota of a request, asked at every door before its body is read.

Open to all, whatever the settings, are the probes and the files of the page and of /docs, which hold nothing of the
models. Everything else wants a token once there are tokens for inference: what is added later does so too.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from fastapi import FastAPI, Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.access.addresses import Proxies, customer
from service.access.quota import Allowance, Quota
from service.access.tokens import Tokens
from service.api.ledger import ROUTE
from service.api.openapi import problems
from service.api.problems import refusal
from service.errors import FoveaError, InvalidTokenError, QuotaExceededError
from service.settings import Settings, listed

OPEN = frozenset({"/", "/docs", "/openapi.json"})
OPEN |= {f"{door}/health/{probe}" for door in ("", "/v2") for probe in ("live", "ready")}
OPEN_FOLDERS = ("/page/", "/static-offline-docs/")

REFUSED = "refused"  # for the route that was not looked for

_ADMISSION = "admission"  # in the scope's state: of a request that a door before this one has let in
_SMALL_BYTES = 65_536  # of a body that is read to its end for the sake of the connection
_LONGEST_RETRY = 86_400
_LOOK_SECONDS = 2.0

HeaderLines = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Admission:
    """`error` says why a request is refused. `headers` belong to its answer either way, `token` names what it sent."""

    error: FoveaError | None = None
    headers: HeaderLines = ()
    token: str | None = None


class Entrance:
    """What every door asks. Used by the event loop's thread; the quota is shared by all workers."""

    def __init__(self, settings: Settings) -> None:
        """To be made before the workers fork. Raises TokensUnusableError."""
        self.tokens = Tokens(settings)
        self.proxies = Proxies(listed(settings.trusted_proxies))
        self._quota = Quota(settings.quota_per_second, settings.quota_burst) if settings.quota_per_second else None
        self.wants_token = self.tokens.wanted("inference")
        self.has_quota = self._quota is not None
        self.asks = self.wants_token or self.has_quota

    async def follow_files(self) -> None:
        """Takes up what changes in the token files, until cancelled. Each worker does so, up to two seconds apart."""
        while self.tokens.has_files:
            await asyncio.sleep(_LOOK_SECONDS)
            await asyncio.to_thread(self.tokens.refresh)

    def lets_in(self, authorization: bytes) -> bool:
        """Whether this is the header of who may ask. Costs nobody's quota."""
        sent = _bearer(authorization)
        return not self.wants_token or bool(sent and self.tokens.holder(sent))

    def admission(self, client: str | None, authorization: bytes) -> Admission:
        """Of a request for anything that is not open. `client` is None where another worker asks: it has no quota.

        Costs 7 µs with both tokens and a quota, 2 with tokens alone. A wrong one costs its address a request.
        """
        sent = _bearer(authorization)
        holder = self.tokens.holder(sent) if sent else None
        token = holder.name if holder else None
        headers: HeaderLines = ()
        if self._quota is not None and client is not None:
            allowance = self._quota.taken(token or customer(client))
            headers = _limits(self._quota, allowance)
            if not allowance.allowed:
                return Admission(_exceeded(self._quota, allowance), headers, token)
        wrong = self.wants_token and holder is None
        return Admission(InvalidTokenError(sent=bool(authorization)) if wrong else None, headers, token)


def _bearer(authorization: bytes) -> bytes:
    scheme, _, token = authorization.partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" else b""


def _exceeded(quota: Quota, allowance: Allowance) -> QuotaExceededError:
    return QuotaExceededError(quota.per_second, quota.burst, min(_LONGEST_RETRY, max(1, ceil(allowance.seconds))))


def _limits(quota: Quota, allowance: Allowance) -> HeaderLines:
    """As draft-ietf-httpapi-ratelimit-headers has them since its eighth version."""
    policy = f'"default";q={quota.burst};w={quota.window_seconds}'
    limit = f'"default";r={allowance.left};t={ceil(allowance.seconds)}'
    return (b"ratelimit-policy", policy.encode()), (b"ratelimit", limit.encode())


class Guarded:
    """The entrance before the routes. Stands where refusals are counted, before the body is looked at."""

    def __init__(self, app: ASGIApp, entrance: Entrance) -> None:
        self._app = app
        self._entrance = entrance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._entrance.asks or is_open(scope):
            await self._app(scope, receive, send)
            return
        admission = scope["state"].get(_ADMISSION) or self._admission(scope)
        scope["state"]["facts"].token = admission.token

        async def limited(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *admission.headers]
            await send(message)

        answer = limited if admission.headers else send
        if admission.error is None:
            await self._app(scope, receive, answer)
            return
        scope[ROUTE] = REFUSED
        await _refused(scope, admission.error)(scope, receive, answer)

    def _admission(self, scope: Scope) -> Admission:
        stated = [value for name, value in scope["headers"] if name == b"authorization"]
        client = scope.get("client")
        return self._entrance.admission(client[0] if client else None, stated[0] if len(stated) == 1 else b"")


def admit(state: dict[str, object], admission: Admission) -> None:
    """Notes in a scope's state that a door has asked already: nobody pays twice."""
    state[_ADMISSION] = admission


def is_open(scope: Scope) -> bool:
    path: str = scope["path"].removeprefix(scope.get("root_path", ""))
    return path in OPEN or path.startswith(OPEN_FOLDERS)


def _refused(scope: Scope, error: FoveaError) -> ASGIApp:
    answer = refusal(Request(scope), error)
    headers = Headers(scope=scope)
    stated = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not stated.isdecimal() or int(stated[:20]) > _SMALL_BYTES:
        answer.headers["Connection"] = "close"  # else the rest of the body is read to the end
    return answer


def describe_entrance(app: FastAPI, entrance: Entrance) -> None:
    """Has OpenAPI say what the entrance wants of each operation, and how it refuses."""
    described = app.openapi

    def openapi() -> dict[str, Any]:
        schema = described()
        for path, operations in schema["paths"].items():
            if path not in OPEN:
                for operation in operations.values():
                    _describe(operation, entrance)
        return schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _describe(operation: dict[str, Any], entrance: Entrance) -> None:
    if entrance.wants_token:
        operation["security"] = [{"HTTPBearer": []}]
        operation["responses"].setdefault("401", problems(401)[401])
    if entrance.has_quota:
        operation["responses"].setdefault("429", problems(429)[429])
