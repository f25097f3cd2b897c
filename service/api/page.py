"""The page: a folder of static files, `/` its first one. It asks the service like any client, and nobody else."""

from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.ledger import ROUTE
from service.api.static_files import StaticFolder

FOLDER = Path(__file__).parent.parent / "page"
# Nothing inline, nothing from elsewhere; blob: and data: are pictures that the page itself has made or was given.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)

router = APIRouter(include_in_schema=False)
_files = StaticFolder(FOLDER)


@router.api_route("/", methods=["GET", "HEAD"])
async def front_page(request: Request) -> Response:
    return _file("index.html", request)


class PrefixRoot:
    """The bare prefix leads to the page, whose own links are relative. No host is named: clients would choose it."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._prefix and scope["type"] == "http" and scope["path"] == self._prefix:
            scope[ROUTE] = "/"
            await Response(status_code=307, headers={"location": f"{self._prefix}/"})(scope, receive, send)
        else:
            await self._app(scope, receive, send)


@router.api_route("/page/{path:path}", methods=["GET", "HEAD"])
async def page_file(path: str, request: Request) -> Response:
    return _file(path, request)


def _file(path: str, request: Request) -> Response:
    """A browser asks each time, so a new release is seen at once."""
    answer = _files.answer(path, request)
    answer.headers["cache-control"] = "no-cache"
    answer.headers["content-security-policy"] = CONTENT_SECURITY_POLICY
    return answer
