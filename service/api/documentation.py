"""GET /docs: the interface as a page to try it out on, from files that come along. Nothing is asked elsewhere."""

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path

import fastapi_offline
import orjson
from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse, Response

from service.api.static_files import StaticFolder

_FILES = "/static-offline-docs"
_FOLDER = Path(fastapi_offline.__file__).parent / "static"
_INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


def serve(app: FastAPI) -> None:
    """Adds the page, its files, and /openapi.json, which they show."""
    files = StaticFolder(_FOLDER)

    async def file(request: Request) -> Response:
        return files.answer(request.path_params["path"], request)

    app.add_route(f"{_FILES}/{{path:path}}", file, include_in_schema=False)
    app.add_api_route("/docs", docs, methods=["GET", "HEAD"], include_in_schema=False)

    @cache
    def written(root: str) -> bytes:
        """Once: it takes milliseconds, and anybody may ask for it as often as he likes."""
        servers = {"servers": [{"url": root}]} if root else {}
        return orjson.dumps(app.openapi() | servers)

    async def interface(request: Request) -> Response:
        return Response(written(request.scope.get("root_path", "")), media_type="application/json")

    app.add_route("/openapi.json", interface, include_in_schema=False)


async def docs(request: Request) -> HTMLResponse:
    root = request.scope.get("root_path", "")
    answer = get_swagger_ui_html(
        openapi_url=f"{root}/openapi.json",
        title="Fovea",
        swagger_js_url=f"{root}{_FILES}/swagger-ui-bundle.js",
        swagger_css_url=f"{root}{_FILES}/swagger-ui.css",
        swagger_favicon_url=f"{root}{_FILES}/favicon.png",
        swagger_ui_parameters={"validatorUrl": None},  # else it shows the interface to another host
    )
    answer.headers["content-security-policy"] = _policy(bytes(answer.body))
    return answer


def _policy(page: bytes) -> str:
    """Scripts of ours and the one that starts the page, by its hash. Swagger UI writes styles and pictures inline."""
    hashes = (b64encode(sha256(script).digest()).decode() for script in _INLINE_SCRIPT.findall(page))
    allowed = " ".join(f"'sha256-{known}'" for known in hashes)
    return (
        f"default-src 'self'; script-src 'self' {allowed}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' blob: data:; "
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
