"""Rows M: bodies that are no form, no JSON, too much, or cut off. All is refused by what it is, none costs much."""

import base64
import json
import random
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.form import form_files
from service.errors import MalformedBodyError, TooManyImagesError
from tests.hostile.conftest import (
    GREY,
    MAX_BODY_BYTES,
    MAX_IMAGES,
    PICTURE,
    code_of,
    file_part,
    form,
)
from tests.hostile.corpus import DATA
from tests.hostile.rows import row

MULTIPART = "multipart/form-data; boundary=limit"
ACCEPTED, MALFORMED, MISSING = (200, None), (400, "body_malformed"), (422, "image_missing")
TOO_MANY, TOO_LARGE = (422, "too_many_images"), (413, "body_too_large")
NO_IMAGE = (415, "image_format_unsupported")
IMAGE = file_part(PICTURE)
FIELD = 'Content-Disposition: form-data; name="note"'
MIB = 1024 * 1024


def typed(content_type: str) -> dict[str, str]:
    return {"Content-Type": content_type}


def encoded(*images: str) -> bytes:
    return json.dumps({"images": images}).encode()


BASE64 = base64.b64encode(PICTURE).decode()
JSON = typed("application/json")

BODIES = [
    row("M1", "nothing", {}, b"", MISSING),
    row("M1", "length 0", {"Content-Length": "0"}, b"", MISSING),
    row("M1", "no bytes of multipart", typed(MULTIPART), b"", MALFORMED),
    row("M1", "no bytes of JSON", JSON, b"", MALFORMED),
    row("M2", "an image called JSON", JSON, PICTURE, MALFORMED),
    row("M2", "an image called text", typed("text/plain"), PICTURE, ACCEPTED),
    row("M2", "a type that is none", typed("none/;;=;"), PICTURE, ACCEPTED),
    row("M2", "no boundary", typed("multipart/form-data"), form(IMAGE)[1], MALFORMED),
    row("M2", "an empty boundary", typed('multipart/form-data; boundary=""'), form(IMAGE)[1], MALFORMED),
    row("M2", "a boundary of 300 bytes", *form(IMAGE, boundary="b" * 300), MALFORMED),
    row("M2", "a boundary of 200 bytes", *form(IMAGE, boundary="b" * 200), ACCEPTED),
    row("M2", "another boundary", typed(MULTIPART + "s"), form(IMAGE)[1], MALFORMED),
    row("M2", "multipart that is no form", typed("multipart/mixed; boundary=limit"), form(IMAGE)[1], NO_IMAGE),
    row("M3", "another field name", *form((IMAGE[0].replace('"file"', '"image"'), PICTURE)), ACCEPTED),
    row("M3", "no field name", *form((IMAGE[0].replace('name="file"; ', ""), PICTURE)), MALFORMED),
    row("M3", "two files", *form(IMAGE, IMAGE), ACCEPTED),
    row("M3", "only a field", *form((FIELD, b"text")), MISSING),
    row("M3", "a field and a file", *form((FIELD, b"text"), IMAGE), ACCEPTED),
    row("M3", "one file too many", *form(*[IMAGE] * (MAX_IMAGES + 1)), TOO_MANY),
    row("M3", "one unusual file too many", *form(*[file_part(b"", more="\r\nX: 1")] * (MAX_IMAGES + 1)), TOO_MANY),
    row("M3", "1001 files", *form(*[IMAGE] * 1001), TOO_MANY),
    row("M3", "1001 fields", *form(*[(FIELD, b"")] * 1001), MALFORMED),
    row("M3", "8 fields", *form(*[(FIELD, b"")] * 8, IMAGE), ACCEPTED),
    row("M3", "9 fields", *form(*[(FIELD, b"")] * 9, IMAGE), MALFORMED),
    row("M4", "a field of 64 KiB", *form((FIELD, b"x" * 65536), IMAGE), ACCEPTED),
    row("M4", "a longer field", *form((FIELD, b"x" * 65537), IMAGE), MALFORMED),
    row("M4", "a million fields", typed("application/x-www-form-urlencoded"), b"a=1&" * 1_000_000, NO_IMAGE),
    row("M5", "8 headers", *form(file_part(PICTURE, more="\r\nX: 1" * 7)), ACCEPTED),
    row("M5", "9 headers", *form(file_part(PICTURE, more="\r\nX: 1" * 8)), MALFORMED),
    row("M5", "a header of 5 KB", *form(file_part(PICTURE, more="\r\nX: " + "x" * 5000)), MALFORMED),
    row("M5", "a header without a colon", *form(file_part(PICTURE, more="\r\nX")), MALFORMED),
    row("M5", "a folded header", *form(file_part(PICTURE, more="\r\nX: 1\r\n 2: 3")), MALFORMED),
    row("M5", "headers without an end", typed(MULTIPART), b"--limit\r\nX: 1\r\n--limit--\r\n", MALFORMED),
    row("M6", "a preamble of 3 MB", typed(MULTIPART), b"x" * 3_000_000 + b"\r\n" + form(IMAGE)[1], ACCEPTED),
    row("M6", "an epilogue of 3 MB", typed(MULTIPART), form(IMAGE)[1] + b"\r\n--limit" * 300_000, ACCEPTED),
    row("M6", "line ends in a preamble", typed(MULTIPART), b"\r\n" * 1_500_000 + form(IMAGE)[1], ACCEPTED),
    row("M6", "line ends in a file", *form(file_part(b"\r\n-" * 1_000_000)), NO_IMAGE),
    row("M6", "boundaries that go on", *form(file_part(b"\r\n--limits" * 300_000)), MALFORMED),
    row("M7", "a type full of spaces", typed("multipart/form-data;" + " " * 8000 + "x"), form(IMAGE)[1], MALFORMED),
    row("M7", "a type full of options", typed(MULTIPART + '; a="\\' * 100), form(IMAGE)[1], ACCEPTED),
    row("M8", "never closed", typed(MULTIPART), form(IMAGE)[1][: -len("\r\n--limit--\r\n")], MALFORMED),
    row("M8", "cut in the file", typed(MULTIPART), form(IMAGE)[1][:120], MALFORMED),
    row("M8", "cut in the headers", typed(MULTIPART), form(IMAGE)[1][:40], MALFORMED),
    row("M8", "only the end", typed(MULTIPART), b"--limit--\r\n", MISSING),
    row("M9", "a path", *form(file_part(PICTURE, "../../../../etc/passwd")), ACCEPTED),
    row("M9", "an absolute path", *form(file_part(PICTURE, "/etc/passwd")), ACCEPTED),
    row("M9", "a name of 3 KB", *form(file_part(PICTURE, "x" * 3000)), ACCEPTED),
    row("M9", "a name of 10 KB", *form(file_part(PICTURE, "x" * 10_000)), MALFORMED),
    row("M9", "NUL", *form(file_part(PICTURE, "a\0b")), ACCEPTED),
    row("M9", "a line end", *form(file_part(PICTURE, "a\r\nb")), MALFORMED),
    row("M9", "a bare line feed", *form(file_part(PICTURE, "a\n2026-11-27 forged")), ACCEPTED),
    row("M9", "an extended name", *form((IMAGE[0] + "; filename*=utf-8''%2e%2e%2fx", PICTURE)), ACCEPTED),
    row("M9", "emoji", *form(file_part(PICTURE, "🙈")), ACCEPTED),
    row("M10", "a file of no bytes", *form(file_part(b"")), (422, "image_empty")),
    row("M10", "an unusual file of no bytes", *form(file_part(b"", more="\r\nX: 1")), (422, "image_empty")),
    row("M11", "the limit", {}, PICTURE + b"\0" * (MAX_BODY_BYTES - len(PICTURE)), ACCEPTED),
    row("M11", "a byte more", {}, PICTURE + b"\0" * (MAX_BODY_BYTES + 1 - len(PICTURE)), TOO_LARGE),
    row("M12", "no padding", JSON, encoded(BASE64[:-1]), MALFORMED),
    row("M12", "line ends inside", JSON, encoded(BASE64[:76] + "\n" + BASE64[76:]), MALFORMED),
    row("M12", "a data URI", JSON, encoded(f"data:image/png;base64,{BASE64}"), ACCEPTED),
    row("M12", "a link", JSON, encoded("https://example.org/cat.png"), MALFORMED),
    row("M12", "too many", JSON, encoded(*[BASE64] * (MAX_IMAGES + 1)), TOO_MANY),
    row("M12", "a million", JSON, encoded(*["a"] * 800_000), TOO_MANY),
    row("M12", "numbers", JSON, b'{"images": [1, 2]}', MALFORMED),
    row("M12", "an unknown field", JSON, b'{"images": ["eA=="], "url": "file:///etc/passwd"}', MALFORMED),
    row("M12", "nested a million deep", JSON, b'{"images":' + b"[" * 1_000_000, MALFORMED),
    row("M12", "no Unicode", JSON, b'{"images": ["\xff"]}', MALFORMED),
    row("M12", "half a surrogate", JSON, b'{"images": ["\\ud800"]}', MALFORMED),
    row("M12", "no base64", JSON, encoded("ä"), MALFORMED),
    row("M13", "a PNG called JPEG", typed("image/jpeg"), PICTURE, ACCEPTED),
    row("M13", "a PNG called video", typed("video/mp4"), PICTURE, ACCEPTED),
]


@pytest.mark.parametrize(("headers", "body", "expected"), BODIES)
def test_a_body_is_answered_by_what_it_is(
    client: httpx.Client, headers: dict[str, str], body: bytes, expected: tuple[int, str | None]
) -> None:
    answer = client.post(GREY, content=body, headers=headers)
    assert code_of(answer) == expected
    assert len(answer.content) < 3000


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        row("M9", "a path", "../../x.png", "../../x.png"),
        row("M9", "long", "x" * 3000, "x" * 128),
        row("M9", "NUL and ANSI", "a\0\x1b[31m", "a\0\x1b[31m"),
    ],
)
def test_a_file_name_is_given_back_cut_and_never_used(client: httpx.Client, sent: str, answered: str) -> None:
    headers, body = form(file_part(PICTURE, sent, more="\r\nX: 1"))
    assert client.post(GREY, content=body, headers=headers).json()["results"][0]["image"] == answered


@pytest.mark.parametrize("how", [row("M3", "multipart", "multipart"), row("M12", "JSON", "JSON")])
def test_too_many_images_are_one_answer_however_they_come(client: httpx.Client, how: str) -> None:
    """It was a 400 for a form and a 422 for JSON."""
    many = MAX_IMAGES + 1
    sent = {"files": [("file", PICTURE)] * many} if how == "multipart" else {"json": {"images": [BASE64] * many}}
    problem = client.post(GREY, **sent).json()
    assert problem["detail"] == f"more than {MAX_IMAGES} images in one request"
    assert problem["remedy"] == f"send at most {MAX_IMAGES} at a time"


def _raw(client: httpx.Client, request: bytes) -> bytes:
    """The first bytes of the answer to what a socket sends."""
    with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=60) as connection:
        connection.sendall(request)
        return connection.recv(4096)


@pytest.mark.parametrize("length", [row("M11", "10 GB", 10 * 1024**3), row("M11", "20 digits", 10**20 - 1)])
def test_a_length_beyond_the_limit_is_refused_before_the_body_comes(client: httpx.Client, length: int) -> None:
    answer = _raw(client, f"POST {GREY} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode())
    assert answer.split(b" ", 2)[1] in (b"413", b"400")  # the parser itself refuses what 64 bits do not hold
    assert b"onnection: close" in answer


@pytest.mark.parametrize("sent", [row("M14", f"{share} %", share) for share in (0, 1, 50, 99)])
def test_a_client_that_leaves_leaves_nothing_behind(client: httpx.Client, sent: int) -> None:
    headers, body = form(file_part(PICTURE + b"\0" * MIB, more="\r\nX: 1"))
    before = _open_temporary_files()
    head = f"POST {GREY} HTTP/1.1\r\nHost: x\r\nContent-Type: {headers['Content-Type']}\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[: len(body) * sent // 100]
    with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=60) as connection:
        connection.sendall(request)
    assert client.get("/health/live").status_code == 200  # the service has read what there was
    assert _open_temporary_files() <= before


def _open_temporary_files() -> set[str]:
    """Of this process, which is the service's too; the test runner has some of its own."""
    links = [str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    return {link for link in links if link.startswith(tempfile.gettempdir())}


@pytest.mark.parametrize("make", [row("M15", "a large file", lambda: PICTURE + b"\0" * 3 * MIB)])
def test_an_upload_needs_no_disk(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch, make: Callable[[], bytes]
) -> None:
    """The framework's own parser puts what is over 1 MiB into a temporary file, and fails where there is none."""
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere/at/all")
    headers, body = form(file_part(make(), more="\r\nX: 1"))
    assert code_of(client.post(GREY, content=body, headers=headers)) == ACCEPTED


@given(st.lists(st.tuples(st.text("abc-_. ä0", min_size=1), st.binary()), min_size=1, max_size=4))
def test_what_a_real_client_writes_is_read_as_it_was(files: list[tuple[str, bytes]]) -> None:
    request = httpx.Request("POST", "http://x/", files=[("file", file) for file in files])
    assert form_files(request.headers["content-type"], request.read(), 4) == files


@given(st.binary(max_size=200), st.randoms())
def test_any_bytes_are_a_form_or_a_refusal(noise: bytes, choice: random.Random) -> None:
    pieces = [b"--limit", b"\r\n", b"--limit--", IMAGE[0].encode(), b"\r\n\r\n", noise]
    body = b"".join(choice.choice(pieces) for _ in range(20))
    found: int | str
    try:
        found = len(form_files(MULTIPART, body, 4))
    except (MalformedBodyError, TooManyImagesError) as refusal:
        found = str(refusal)
    assert found <= 4 if isinstance(found, int) else len(found) < 400


@pytest.mark.skipif(not DATA.is_dir(), reason=f"needs hostile-http in {DATA} (FOVEA_DATA)")
def test_the_collected_bodies_get_an_answer_of_the_client() -> None:
    """590 bodies that a fuzzer of Go's own parser found."""
    bodies = sorted((DATA / "hostile-http" / "multipart").iterdir())
    answers: set[str] = set()
    for path in bodies:
        try:
            form_files("multipart/form-data; boundary=dfhjksd23f43242f43fv4b4g2g2g23vf2", path.read_bytes(), 64)
            answers.add("read")
        except (MalformedBodyError, TooManyImagesError) as refusal:
            answers.add(refusal.code)
    assert len(bodies) == 590
    assert answers == {"read", "body_malformed"}
