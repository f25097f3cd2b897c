"""The head of a request: how large it may be, and what in it could be read in two ways. Rows H5 to H14, H17 and H24 of
the catalogue of bad inputs.
"""

import re

import httpx
import pytest

from tests.service.api.conftest import pixels, png
from tests.service.connections.raw import Address, Answer, answers, connected, exchanged, head, post

CLASSIFY = "/v1/models/grey/classify"
MALFORMED = 400, "request_malformed"
CLOSE = "Connection: close"


def refused(address: Address, sent: bytes) -> tuple[int, str]:
    """The one answer to it, whose connection ends."""
    (found,) = exchanged(address, sent)
    assert found.headers["connection"] == "close"
    assert found.headers["x-content-type-options"] == "nosniff"
    assert re.fullmatch("[0-9a-f]{32}", found.headers["x-request-id"])
    return found.problem


def accepted(address: Address, sent: bytes) -> Answer:
    (found,) = exchanged(address, sent)
    assert found.status == 200, found
    return found


@pytest.mark.parametrize(
    "sent",
    [b"nonsense\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\x00" * 100, b"GET\r\n\r\n"],
    ids=["words", "TLS", "zeros", "method-alone"],
)
def test_h5_what_is_no_http_is_a_problem_that_says_so(address: Address, sent: bytes) -> None:
    assert refused(address, sent) == MALFORMED


def test_h6_a_method_that_does_not_exist_is_refused(address: Address) -> None:
    assert refused(address, head("FOO /health/live HTTP/1.1")) == MALFORMED


@pytest.mark.parametrize("method", ["PUT", "TRACE", "DELETE", "PROPFIND"])
def test_h7_a_method_that_a_route_lacks_is_a_405_that_names_those_it_has(address: Address, method: str) -> None:
    (found,) = exchanged(address, head(f"{method} {CLASSIFY} HTTP/1.1", CLOSE))
    assert found.problem == (405, "method_not_allowed")
    assert found.headers["allow"] == "POST"


def test_h7_connect_asks_for_a_tunnel_and_gets_none(address: Address) -> None:
    assert refused(address, head("CONNECT example.com:443 HTTP/1.1")) == MALFORMED


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /health/live\r\n\r\n",
        head("GET /health/live HTTP/0.9"),
        head("GET /health/live HTTP/2.0"),
        head("GET /health/live HTTP/1.2"),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=["no-version", "0.9", "2.0", "1.2", "http2-preface"],
)
def test_h8_other_versions_of_http_are_refused(address: Address, sent: bytes) -> None:
    assert refused(address, sent) == MALFORMED


def test_h8_http_1_0_needs_no_host_and_is_answered(address: Address) -> None:
    accepted(address, head("GET /health/live HTTP/1.0", host=None))


@pytest.mark.parametrize(
    "sent",
    [
        head(host=None),
        head("GET /health/live HTTP/1.1", "Host: y"),
        head("GET /health/live HTTP/1.1", "host: x"),
        head("GET /health/live HTTP/1.0", "Host: y"),
        *(head(host=f"Host: {bad}") for bad in ("", "a b", "a/b", "a@b", "a:b", "[::1", "a:80:80", "ä", "a?b", "a\tb")),
    ],
    ids=lambda sent: repr(sent[25:60]),
)
def test_h9_a_host_that_is_missing_double_or_no_host_is_refused(address: Address, sent: bytes) -> None:
    assert refused(address, sent) == MALFORMED


@pytest.mark.parametrize("host", ["x", "example.com:8000", "127.0.0.1", "[::1]:80", "a_b", "xn--bcher-kva.example"])
def test_h9_a_host_is_accepted(address: Address, host: str) -> None:
    accepted(address, head("GET /health/live HTTP/1.1", CLOSE, host=f"Host: {host}"))


def long_header(size: int) -> str:
    """A line of so many bytes, with its end."""
    return "X: " + (size - 5) * "x"


@pytest.mark.parametrize("size", [8 * 1024 + 1, 2**20, 20 * 2**20], ids=["8-KiB-and-1", "1-MiB", "20-MiB"])
def test_h10_a_header_line_above_8_kib_is_a_431(address: Address, size: int) -> None:
    assert refused(address, head("GET /health/live HTTP/1.1", long_header(size))) == (431, "head_too_large")


def test_h10_a_header_line_of_8_kib_is_accepted(address: Address) -> None:
    accepted(address, head("GET /health/live HTTP/1.1", long_header(8 * 1024), CLOSE))


def test_h10_headers_above_32_kib_together_are_a_431(address: Address) -> None:
    lines = [long_header(4000)] * 9
    assert refused(address, head("GET /health/live HTTP/1.1", *lines)) == (431, "head_too_large")
    accepted(address, head("GET /health/live HTTP/1.1", *lines[:7], CLOSE))


def test_h10_a_line_that_never_ends_is_cut_off_before_megabytes_of_it_are_kept(address: Address) -> None:
    with connected(address, b"GET /health/live HTTP/1.1\r\nX: ") as connection:
        with pytest.raises(ConnectionError):
            connection.sendall(64 * 2**20 * b"x")
        assert answers(connection)[0].problem == (431, "head_too_large")


@pytest.mark.parametrize("count", [101, 5_000, 500_000])
def test_h11_more_than_100_headers_are_a_431(address: Address, count: int) -> None:
    lines = (f"a{number}: b" for number in range(count - 1))
    assert refused(address, head("GET /health/live HTTP/1.1", *lines)) == (431, "head_too_large")


def test_h11_a_hundred_headers_are_accepted(address: Address) -> None:
    accepted(address, head("GET /health/live HTTP/1.1", CLOSE, *(f"a{number}: b" for number in range(98))))


@pytest.mark.parametrize("size", [8 * 1024 + 1, 10**6], ids=["8-KiB-and-1", "1-MB"])
def test_h12_a_url_above_8_kib_is_a_414(address: Address, size: int) -> None:
    target = "/health/live?" + (size - 13) * "x"
    assert refused(address, head(f"GET {target} HTTP/1.1")) == (414, "target_too_long")


def test_h12_a_url_of_8_kib_is_accepted(address: Address) -> None:
    target = "/health/live?" + (8 * 1024 - 13) * "x"
    accepted(address, head(f"GET {target} HTTP/1.1", CLOSE))


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: 3", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Content-Length: 3"],
        ["Content-Length: 3", "Content-Length: 4"],
        ["Content-Length: 3", "Content-Length: 3"],
        ["Content-Length: 3, 3"],
        ["Content-Length: -1"],
        ["Content-Length: +3"],
        ["Content-Length: 3x"],
        ["Content-Length: 0x3"],
        ["Content-Length:"],
        ["Content-Length: 99999999999999999999"],
        ["Content-Length: 18446744073709551619"],
        ["Transfer-Encoding: gzip"],
        ["Transfer-Encoding: gzip, chunked"],
        ["Transfer-Encoding: chunked, gzip"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: identity"],
        ["Transfer-Encoding: xchunked"],
    ],
    ids=" ".join,
)
def test_h13_h14_h16_a_body_whose_end_could_be_read_in_two_ways_is_refused(address: Address, lines: list[str]) -> None:
    assert refused(address, head(f"POST {CLASSIFY} HTTP/1.1", *lines) + b"3\r\nabc\r\n0\r\n\r\n") == MALFORMED


def test_h13_transfer_encoding_in_http_1_0_is_refused(address: Address) -> None:
    sent = head(f"POST {CLASSIFY} HTTP/1.0", "Transfer-Encoding: chunked") + b"0\r\n\r\n"
    assert refused(address, sent) == MALFORMED


@pytest.mark.parametrize(
    "line",
    ["X: a\0b", "X: a\rb", "X: a\r\n b", "X : a", "X\0: a", "X\r\n: a", " X: a", ": a", "X", "X: a\nY: b", "X(: a"],
    ids=repr,
)
def test_h17_control_characters_folded_lines_and_stray_spaces_in_headers_are_refused(
    address: Address, line: str
) -> None:
    assert refused(address, head("GET /health/live HTTP/1.1", line)) == MALFORMED


@pytest.mark.parametrize("asked", ["x" * 8000, "a b", "é", "{}", "../../etc", "x" * 65])
def test_h24_a_request_id_that_is_not_well_formed_is_replaced(address: Address, asked: str) -> None:
    found = accepted(address, head("GET /health/live HTTP/1.1", f"X-Request-ID: {asked}", CLOSE))
    assert re.fullmatch("[0-9a-f]{32}", found.headers["x-request-id"])


def test_a_refusal_has_the_requests_own_id_and_path(address: Address) -> None:
    (found,) = exchanged(address, head("GET /v1/models?x=1 HTTP/1.1", "X-Request-ID: mine", host=None))
    assert found.headers["x-request-id"] == "mine"
    assert b'"instance":"/v1/models"' in found.body


def test_a_refusal_under_v2_has_that_protocols_form(address: Address) -> None:
    (found,) = exchanged(address, head("GET /v2/health/live HTTP/1.1", host=None))
    assert (found.status, found.body) == (400, b'{"error":"there is no Host header; send one"}')


def test_a_refusal_of_head_has_no_body(address: Address) -> None:
    with connected(address, head("HEAD / HTTP/1.1", host=None)) as connection:
        received = b""
        while piece := connection.recv(65536):
            received += piece
    assert received.startswith(b"HTTP/1.1 400 ")
    assert received.endswith(b"\r\n\r\n")


def test_a_refusal_is_counted_like_every_other_error(address: Address, client: httpx.Client) -> None:
    def counted() -> list[float]:
        lines = client.get("/metrics").text.splitlines()
        names = (
            'fovea_requests_refused_total{reason="target_too_long"}',
            'fovea_http_requests_total{method="GET",route="unknown",status="414"}',
        )
        return [float(line.split()[-1]) for name in names for line in lines if line.startswith(name)] or [0.0, 0.0]

    before = counted()
    refused(address, head(f"GET /{9000 * 'x'} HTTP/1.1"))
    assert counted() == [value + 1 for value in before]


def test_what_was_asked_before_a_bad_request_is_answered_first(address: Address) -> None:
    picture = png(pixels())
    good = [head(), post(CLASSIFY, picture), head("GET /v1/models HTTP/1.1"), post(CLASSIFY, picture)]
    found = exchanged(address, b"".join(good) + head("GET /health/live HTTP/1.1", host=None))
    assert [one.status for one in found] == [200, 200, 200, 200, 400]
    assert found[-1].problem == MALFORMED


def test_nothing_behind_a_bad_request_is_answered(address: Address) -> None:
    assert [one.status for one in exchanged(address, head(host=None) + head())] == [400]


def test_nothing_behind_connection_close_is_answered(address: Address) -> None:
    assert [one.status for one in exchanged(address, head("GET /health/live HTTP/1.1", CLOSE) + head())] == [200]
