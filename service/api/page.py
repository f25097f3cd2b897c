"""The page: a folder of static files, `/` its first one. It asks the service like any client, and nobody else."""

from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.ledger import ROUTE

FOLDER = Path(__file__).parent.parent / "page"
# Nothing inline, nothing from elsewhere; blob: and data: are pictures that the page itself has made or was given.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)
# Said here, because what `mimetypes` says of .js depends on the machine.
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}

router = APIRouter(include_in_schema=False)
_files = StaticFiles(directory=FOLDER)


@router.api_route("/", methods=["GET", "HEAD"])
async def front_page(request: Request) -> Response:
    return await _file("index.html", request)


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
    return await _file(path, request)


async def _file(path: str, request: Request) -> Response:
    """The file, or 304 where the browser has it: it asks each time, so a new release is seen at once."""
    answer = await _files.get_response(path, request.scope)
    answer.headers["cache-control"] = "no-cache"
    answer.headers["content-security-policy"] = CONTENT_SECURITY_POLICY
    if media_type := MEDIA_TYPES.get(Path(path).suffix):
        answer.headers["content-type"] = media_type
    return answer
