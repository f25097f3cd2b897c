"""What stands before every route: a request id, a limit on the body's bytes, and headers that every answer carries.

Plain ASGI, so that a body is counted while it streams and never held twice.
"""

import re
from collections.abc import Iterable
from copy import copy
from random import getrandbits

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.access.addresses import Proxies
from service.connections.protocol import REFUSAL
from service.errors import BodyTooLargeError

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

# For the browsers of those who read an answer, or are made to: it is data, no page, and of this origin alone. Pages
# state a policy of their own. TLS is the proxy's, and so is Strict-Transport-Security.
POLICY = b"content-security-policy"
DATA_ONLY = (POLICY, b"default-src 'none'; frame-ancestors 'none'")
SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


def secured(headers: Iterable[tuple[bytes, bytes]], request_id: str) -> list[tuple[bytes, bytes]]:
    """An answer's headers with those that every answer carries."""
    found = [*headers, (b"x-request-id", request_id.encode()), *SECURITY]
    return found if any(name == POLICY for name, _ in found) else [*found, DATA_ONLY]


def identity(asked: str) -> str:
    """The id of a request: the client's own where it is well-formed. No secret: `random` is ten times as quick."""
    return asked if asked and REQUEST_ID.fullmatch(asked) else f"{getrandbits(128):032x}"


class BehindProxy:
    """Tells the application what a proxy in front of it knows: the prefix, and who asks over which scheme.

    The prefix holds whether the proxy strips it or not. The rest is believed of the proxies that the settings name.
    """

    def __init__(self, app: ASGIApp, prefix: str, proxies: Proxies) -> None:
        self._app = app
        self._prefix = prefix
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        told = {"root_path": self._prefix} if self._prefix else {}
        if self._proxies.any and scope.get("client") and self._proxies.trusts(scope["client"][0]):
            told |= self._forwarded(scope)
        await self._app({**scope, **told} if told else scope, receive, send)

    def _forwarded(self, scope: Scope) -> Scope:
        headers = Headers(scope=scope)
        peer, port = scope["client"]
        client = self._proxies.client(peer, ",".join(headers.getlist("x-forwarded-for")))
        scheme = headers.get("x-forwarded-proto", "")
        told = {"client": (client, port if client == peer else 0)}
        return told | ({"scheme": scheme} if scheme in {"http", "https"} else {})


class RequestIdentity:
    """Gives each request an id, the client's own where it is well-formed, and puts it into the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = identity(Headers(scope=scope).get("x-request-id", ""))
        scope.setdefault("state", {})["request_id"] = request_id

        async def identified(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = secured(message.get("headers", ()), request_id)
            await send(message)

        await self._app(scope, receive, identified)


class BodyLimit:
    """Refuses bodies above `max_bytes`: by Content-Length before the first read, else at the first byte too many. And
    those whose rest the connection refuses.

    Raises where the body is read, so that the refusal becomes an answer like any other error.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        received, facts = 0, scope["state"]["facts"]
        stated = Headers(scope=scope).get("content-length", "0")

        async def counted() -> Message:
            nonlocal received
            if stated.isdecimal() and int(stated[:20]) > self._max_bytes:
                raise BodyTooLargeError(self._max_bytes)
            message = await receive()
            if refusal := scope.get("state", {}).get(REFUSAL):
                raise copy(refusal)  # the traceback of what the scope keeps would keep the body in its frames
            received += len(message.get("body", b""))
            facts.bytes_in = received
            if received > self._max_bytes:
                raise BodyTooLargeError(self._max_bytes)
            return message

        await self._app(scope, counted, send)
