import email.message

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.multipart import plain_files

TYPE = b"multipart/form-data; boundary=limit"


def part(header: str, contents: bytes) -> bytes:
    return b"--limit\r\n" + header.encode() + b"\r\n\r\n" + contents + b"\r\n"


def body(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--limit--\r\n"


PLAIN = 'Content-Disposition: form-data; name="file"; filename="a.png"\r\nContent-Type: image/png'


@given(st.lists(st.tuples(st.text("abc-_. 0", min_size=1), st.binary()), min_size=1, max_size=4))
def test_what_a_real_client_writes_is_read_as_it_was(files: list[tuple[str, bytes]]) -> None:
    request = httpx.Request("POST", "http://x/", files=[("file", file) for file in files])
    assert plain_files(request.headers["content-type"].encode(), request.read()) == files


def test_two_files_come_in_order() -> None:
    header = 'content-disposition: form-data; name="file"; filename="b"'
    assert plain_files(TYPE, body(part(PLAIN, b"1\r\n2"), part(header, b""))) == [("a.png", b"1\r\n2"), ("b", b"")]


@pytest.mark.parametrize(
    "unusual",
    [
        b"",
        b"--limit--\r\n",
        body(part(PLAIN, b"1"))[:-6],
        b"preamble\r\n" + body(part(PLAIN, b"1")),
        body(part(PLAIN, b"1")) + b"epilogue",
        body(part('Content-Disposition: form-data; name="note"', b"1")),
        body(part(PLAIN.replace("a.png", 'a\\".png'), b"1")),
        body(part(PLAIN.replace("a.png", "a%22.png"), b"1")),
        body(part(PLAIN.replace("a.png", "ä.png"), b"1")),
        body(part(PLAIN + "\r\nX-More: 1", b"1")),
        body(part(PLAIN.replace("filename=", "filename*="), b"1")),
        body(part(PLAIN, b"1\r\n--limit \r\n2")),
        body(part(PLAIN, b"1"), b"--limit\r\nno header"),
    ],
)
def test_whatever_is_unusual_is_left_to_the_frameworks_parser(unusual: bytes) -> None:
    assert plain_files(TYPE, unusual) is None


@pytest.mark.parametrize("content_type", [b"multipart/mixed; boundary=limit", b"multipart/form-data", TYPE + b"; x=y"])
def test_so_is_an_unusual_content_type(content_type: bytes) -> None:
    assert plain_files(content_type, body(part(PLAIN, b"1"))) is None


def test_a_quoted_boundary_is_plain() -> None:
    quoted = email.message.Message()
    quoted["Content-Type"] = 'multipart/form-data; boundary="limit"'
    assert plain_files(quoted["Content-Type"].encode(), body(part(PLAIN, b"1"))) == [("a.png", b"1")]
