"""Files from memory: whole whatever their size, told apart by what is in them, and no others."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fastapi import HTTPException, Request
from starlette.types import Message

from service.api.static_files import StaticFolder

LARGE = bytes(range(256)) * 1024  # four pieces


@pytest.fixture
def folder(tmp_path: Path) -> StaticFolder:
    (tmp_path / "inner").mkdir()
    for name, content in {"large.js": LARGE, "inner/small.css": b"a{}", "empty": b""}.items():
        (tmp_path / name).write_bytes(content)
    return StaticFolder(tmp_path)


def sent(folder: StaticFolder, path: str, **headers: str) -> tuple[dict[str, Any], list[Message]]:
    """The start of the answer and its pieces."""
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "GET", "path": f"/{path}", "headers": raw}
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    asyncio.run(folder.answer(path, Request(scope))(scope, receive, send))
    start, *pieces = messages
    return {"status": start["status"], **{name.decode(): value.decode() for name, value in start["headers"]}}, pieces


@pytest.mark.parametrize(
    ("path", "content", "count", "media_type"),
    [
        ("large.js", LARGE, 4, "text/javascript; charset=utf-8"),
        ("inner/small.css", b"a{}", 1, "text/css; charset=utf-8"),
        ("empty", b"", 1, "application/octet-stream"),
    ],
)
def test_a_file_goes_out_in_pieces_that_are_the_whole(
    folder: StaticFolder, path: str, content: bytes, count: int, media_type: str
) -> None:
    start, pieces = sent(folder, path)
    assert (start["status"], start["content-type"], start["content-length"]) == (200, media_type, str(len(content)))
    assert b"".join(piece["body"] for piece in pieces) == content
    assert [piece["more_body"] for piece in pieces] == [True] * (count - 1) + [False]


@pytest.mark.parametrize("known", ["{}", "W/{}", '"another", {}'])
def test_who_has_the_file_is_told_so(folder: StaticFolder, known: str) -> None:
    etag = sent(folder, "large.js")[0]["etag"]
    start, pieces = sent(folder, "large.js", if_none_match=known.format(etag))
    assert (start["status"], start["etag"], [piece["body"] for piece in pieces]) == (304, etag, [b""])


def test_a_tag_is_of_the_content_wherever_it_lies(folder: StaticFolder, tmp_path: Path) -> None:
    other = tmp_path / "copy"
    other.mkdir()
    (other / "large.js").write_bytes(LARGE)
    (other / "empty").write_bytes(b"no longer")
    assert sent(StaticFolder(other), "large.js")[0]["etag"] == sent(folder, "large.js")[0]["etag"]
    assert sent(StaticFolder(other), "empty")[0]["etag"] != sent(folder, "empty")[0]["etag"]


@pytest.mark.parametrize(
    "path", ["", "inner", "inner/", "nothing.js", "../secret", "/etc/passwd", "large.js/", "./empty"]
)
def test_nothing_else_has_a_name(folder: StaticFolder, path: str) -> None:
    with pytest.raises(HTTPException) as raised:
        folder.answer(path, Request({"type": "http", "headers": []}))
    assert raised.value.status_code == 404
