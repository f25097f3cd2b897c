"""The fast lane: POST classify without the framework's cost per request, which is larger than a small network's run.

Takes the requests that it wholly understands (one raw image, or plain multipart files) and answers what the route
would, to the byte; everything else goes to the application behind it, with its body untouched.
"""

import re
from dataclasses import dataclass

from fastapi import FastAPI, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.classify import CLASSIFY_ROUTES, ClassifyQuery, classified
from service.api.dependencies import Services
from service.api.facts import Facts, Stages
from service.api.ledger import ROUTE
from service.api.multipart import plain_uploads
from service.api.problems import domain_error
from service.api.uploads import Upload
from service.errors import FoveaError

_PATH = re.compile(r"/v1/models/([A-Za-z0-9._-]{1,64})(?:/versions/([0-9]{1,9}))?/classify")
_TOP = re.compile(rb"top=([1-9][0-9]{0,3})")
_DEFAULT_TOP = ClassifyQuery().top


@dataclass(frozen=True)
class _Asked:
    """What the request line and the headers say."""

    model: str
    version: str | None
    top: int
    content_type: bytes


class FastLane:
    """Stands behind the guards and before the router."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = _asked(scope)
        if asked is None:
            await self._app(scope, receive, send)
            return
        scope[ROUTE] = CLASSIFY_ROUTES[asked.version is not None]
        try:
            body = await _body(receive)
            sent = plain_uploads(asked.content_type, body) if body is not None else None
            if body is None or not sent or len(sent) > _services(scope).settings.max_images:
                await self._app(scope, _replayed(body), send)
                return
            answer, stages = await _answer(asked, sent, _services(scope), scope["state"]["facts"])
        except FoveaError as error:
            await (await domain_error(Request(scope), error))(scope, receive, send)
            return
        await _send(send, answer, stages.server_timing)


def _asked(scope: Scope) -> _Asked | None:
    """None where the request is another one, or has anything that this lane does not understand."""
    if scope["type"] != "http" or scope["method"] != "POST":
        return None
    path = _PATH.fullmatch(scope["path"].removeprefix(scope.get("root_path", "")))
    top = _TOP.fullmatch(scope["query_string"]) if scope["query_string"] else None
    if path is None or (scope["query_string"] and top is None):
        return None
    content_type = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    if content_type.lower().startswith(b"application/json"):
        return None
    return _Asked(path[1], path[2], int(top[1]) if top else _DEFAULT_TOP, content_type)


def _services(scope: Scope) -> Services:
    app: FastAPI = scope["app"]
    services: Services = app.state.services
    return services


async def _body(receive: Receive) -> bytes | None:
    """The whole body, None where the client left before its end."""
    chunks: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)


def _replayed(body: bytes | None) -> Receive:
    """Gives the application the body that was read, or the news that the client left."""
    waiting: list[Message] = [] if body is None else [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return waiting.pop() if waiting else {"type": "http.disconnect"}

    return receive


async def _answer(asked: _Asked, sent: list[Upload], services: Services, facts: Facts) -> tuple[bytes, Stages]:
    classifier = services.registry.classifier(asked.model, asked.version)
    facts.of(classifier)
    return await classified(sent, services, classifier, asked.top, facts)


async def _send(send: Send, answer: bytes, timing: str) -> None:
    headers = [
        (b"server-timing", timing.encode()),
        (b"content-length", str(len(answer)).encode()),
        (b"content-type", b"application/json"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
