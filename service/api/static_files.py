"""Files that come with the service, given from memory: few, small, and the same for as long as it runs.

None costs a thread, and each goes out in pieces, the next once the one before has left: as many clients as like may ask
for a large one and read nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from fastapi import HTTPException, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

_PIECE_BYTES = 64 * 1024
# Said here, because what `mimetypes` says of .js depends on the machine.
_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True)
class _File:
    content: bytes
    headers: Mapping[str, str]


class StaticFolder:
    """Every file below a folder, as it was when this was made."""

    def __init__(self, folder: Path) -> None:
        self._files = {path.relative_to(folder).as_posix(): _read(path) for path in folder.rglob("*") if path.is_file()}

    def answer(self, path: str, request: Request) -> Response:
        """The file, or 304 where the browser has it; a 404 where there is none of this name."""
        if (file := self._files.get(path)) is None:
            raise HTTPException(404)
        if file.headers["etag"] in _tags(request.headers.get("if-none-match", "")):
            return Response(status_code=304, headers={"etag": file.headers["etag"]})
        return _InPieces(file.content, headers=file.headers)


class _InPieces(Response):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as ASGI has it
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for start in range(0, max(len(self.body), 1), _PIECE_BYTES):
            end = start + _PIECE_BYTES
            await send({"type": "http.response.body", "body": self.body[start:end], "more_body": end < len(self.body)})


def _read(path: Path) -> _File:
    content = path.read_bytes()
    headers = {
        "content-type": _MEDIA_TYPES.get(path.suffix, "application/octet-stream"),
        "etag": f'"{sha256(content).hexdigest()[:32]}"',
    }
    return _File(content, headers)


def _tags(if_none_match: str) -> set[str]:
    """A proxy that compresses makes a tag a weak one."""
    return {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
