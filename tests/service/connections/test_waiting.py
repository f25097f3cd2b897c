"""Clients that keep the service waiting are cut off, and told why where there is a request to answer. Rows H1 to H4.

Says that it happens and how, never how long it took; a service with patience never does, so what was seen is its doing.
"""

import errno
import socket
import time

import httpx
import pytest

from service.connections.patience import Patience, Reading
from tests.service.api.conftest import pixels, png, until
from tests.service.connections.raw import Address, Answer, answer, answers, connected, head, post

CLASSIFY = "/v1/models/grey/classify"
PICTURE = png(pixels())


def only(found: list[Answer]) -> Answer:
    (one,) = found
    assert one.headers["connection"] == "close"
    return one


def dripped(address: Address, first: bytes, drop: bytes) -> list[Answer]:
    """Sends a little again and again until the service has had enough."""
    with connected(address, first) as connection:
        connection.settimeout(0.1)
        while True:
            try:
                connection.sendall(drop)
                if connection.recv(1, socket.MSG_PEEK) is not None:
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        connection.settimeout(60)
        return answers(connection)


def test_h1_a_connection_that_says_nothing_is_closed(hasty: Address) -> None:
    with connected(hasty) as connection:
        assert answers(connection) == []


def test_h1_so_is_one_that_sends_empty_lines_only(hasty: Address) -> None:
    assert dripped(hasty, b"", b"\r\n") == []


def test_h2_a_head_that_comes_line_by_line_is_a_408(hasty: Address) -> None:
    assert only(dripped(hasty, b"GET / HTTP/1.1\r\n", b"x: y\r\n")).problem == (408, "head_timeout")


def test_h2_so_is_one_that_stops(hasty: Address) -> None:
    with connected(hasty, b"GET /health/li") as connection:
        assert only(answers(connection)).problem == (408, "head_timeout")


def test_h2_so_is_a_second_request_on_a_connection(hasty: Address) -> None:
    with connected(hasty, head() + b"GET /health/li") as connection:
        assert [one.status for one in answers(connection)] == [200, 408]


DOORS = {
    "express": head(f"POST {CLASSIFY} HTTP/1.1", f"Content-Length: {len(PICTURE)}"),
    "fast lane": head(f"POST {CLASSIFY} HTTP/1.1", "Content-Length: 90000"),
    "chunks": head(f"POST {CLASSIFY} HTTP/1.1", "Transfer-Encoding: chunked"),
    "JSON": head(f"POST {CLASSIFY} HTTP/1.1", "Content-Length: 90000", "Content-Type: application/json"),
    "multipart": head(
        f"POST {CLASSIFY} HTTP/1.1", "Content-Length: 90000", "Content-Type: multipart/form-data; boundary=x"
    ),
    "received": head("POST /v1/models/grey/received HTTP/1.1", "Content-Length: 90000"),
    "calculator": head("POST /v1/layer-shapes HTTP/1.1", "Content-Length: 9000", "Content-Type: application/json"),
}


@pytest.mark.parametrize("door", DOORS)
def test_h3_a_body_that_stops_is_a_408_at_every_door(hasty: Address, door: str) -> None:
    with connected(hasty, DOORS[door]) as connection:
        assert only(answers(connection)).problem == (408, "body_timeout")


def test_h3_a_body_that_stops_in_the_middle_is_one_too(hasty: Address) -> None:
    with connected(hasty, post(CLASSIFY, PICTURE)[:-10]) as connection:
        assert only(answers(connection)).problem == (408, "body_timeout")


def test_h3_under_v2_it_has_that_protocols_form(hasty: Address) -> None:
    with connected(hasty, head("POST /v2/models/grey/infer HTTP/1.1", "Content-Length: 9000")) as connection:
        found = only(answers(connection))
    assert found.status == 408
    assert b'"error":"the body paused for over 0.5 s' in found.body


def test_h3_a_body_that_drips_is_a_408(hasty: Address) -> None:
    assert only(dripped(hasty, DOORS["fast lane"], b"x")).problem == (408, "body_timeout")


def test_h3_a_body_that_comes_in_time_is_answered(hasty: Address) -> None:
    with connected(hasty, post(CLASSIFY, PICTURE)[:-1]) as connection:
        connection.sendall(PICTURE[-1:])
        assert answer(connection).status == 200


def test_h3_it_is_counted_as_what_the_client_got(hasty: Address, hasty_client: httpx.Client) -> None:
    def counted() -> float:
        name = 'fovea_http_requests_total{method="POST",route="/v1/models/{model}/classify",status="408"}'
        lines = hasty_client.get("/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))

    before = counted()
    with connected(hasty, DOORS["express"]) as connection:
        answers(connection)
    assert counted() == before + 1


def test_h3_an_early_answers_rest_that_never_comes_ends_the_connection(hasty: Address) -> None:
    with connected(hasty, head("POST /nowhere HTTP/1.1", "Content-Length: 90000")) as connection:
        assert [one.status for one in answers(connection)] == [404]


def test_h4_who_does_not_read_the_answer_is_cut_off(hasty: Address, hasty_client: httpx.Client) -> None:
    """More answers than the kernel's buffers of both ends hold, none of them read."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(60)
        connection.connect(hasty)
        with pytest.raises(ConnectionError):
            connection.sendall(10**6 * head("GET /openapi.json HTTP/1.1"))
    assert hasty_client.get("/health/live").status_code == 200


def test_h4_what_the_kernel_still_holds_for_him_is_let_go_too(hasty: Address) -> None:
    """He learns of it at once, by a reset, though he has read nothing; else the kernel would keep it for minutes."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(hasty)
        connection.sendall(8 * head("GET /static-offline-docs/swagger-ui-bundle.js HTTP/1.1"))
        until(lambda: connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNRESET)


LARGE = "GET /static-offline-docs/swagger-ui-bundle.js HTTP/1.1"  # 1.4 MB: the kernel takes it all at once


def reads(address: Address, request: bytes, size: int, pause: float) -> bytes:
    """What comes until the end to who takes so many bytes at a time; raises ConnectionResetError."""
    found = []
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        connection.settimeout(60)
        connection.connect(address)
        connection.sendall(request)
        while data := connection.recv(size):
            found.append(data)
            time.sleep(pause)
    return b"".join(found)


@pytest.mark.parametrize("end", [[], ["Connection: close"]])
def test_h4_who_reads_too_slowly_is_cut_off_though_the_kernel_has_taken_the_answer(
    hasty: Address, end: list[str]
) -> None:
    """Whether he is kept or told that his connection ends."""
    with pytest.raises(ConnectionResetError):
        reads(hasty, head(LARGE, *end), 2048, 0.25)


@pytest.mark.parametrize("end", [[], ["Connection: close"]])
def test_h4_who_reads_slowly_but_fast_enough_gets_all_of_it(
    address: Address, client: httpx.Client, end: list[str]
) -> None:
    """Also after more seconds than a connection lingers; one with patience, since a busy machine may stand still."""
    whole = client.get(LARGE.split()[1]).content
    assert reads(address, head(LARGE, *end), 65536, 0.2).partition(b"\r\n\r\n")[2] == whole


# --- the arithmetic, by a clock of its own


def looked(*looks: tuple[str, int, int, float]) -> Patience:
    patience = Patience(10.0, 0.0)
    for awaited, messages, received, now in looks:
        patience.look(awaited, messages, received, now)  # type: ignore[arg-type]
    return patience


def read(*looks: tuple[int, int, float]) -> Reading:
    reading = Reading(10.0, 0.0)
    for unread, taken, now in looks:
        reading.look(unread, taken, now)
    return reading


def test_a_head_has_its_time_from_the_beginning_however_it_drips() -> None:
    patience = looked(*(("head", 1, now, float(now)) for now in range(11)))
    assert not patience.is_over(10.0)
    assert patience.is_over(10.5)


def test_a_body_may_not_pause() -> None:
    patience = looked(("body", 1, 100, 1.0), ("body", 1, 200, 5.0), ("body", 1, 200, 14.0))
    assert not patience.is_over(15.0)
    assert patience.is_over(15.5)


@pytest.mark.parametrize(("rate", "over"), [(1, True), (32 * 1024, False)])
def test_a_body_has_thirty_seconds_and_then_as_long_as_it_comes_fast_enough(rate: int, over: bool) -> None:
    patience = looked(*(("body", 1, rate * now, float(now)) for now in range(101)))
    assert patience.is_over(100.0) == over


def test_the_time_of_a_request_begins_with_it() -> None:
    patience = looked(("head", 1, 0, 0.0), ("us", 1, 9, 9.0), ("head", 2, 9, 19.0))
    assert not patience.is_over(28.0)
    assert patience.is_over(29.5)


@pytest.mark.parametrize("awaited", ["us", "next"])
def test_nobody_is_late_who_owes_nothing(awaited: str) -> None:
    assert not looked((awaited, 1, 0, 0.0)).is_over(1000.0)


def test_an_answer_that_moves_is_waited_for_and_one_that_does_not_is_not() -> None:
    moving = read(*((1000 - now, now, float(now)) for now in range(0, 28, 9)))
    assert not moving.is_over(30.0)
    assert moving.is_over(38.0)
    assert not read((1000, 0, 0.0), (0, 1000, 9.0)).is_over(15.0)


@pytest.mark.parametrize(("rate", "over"), [(1, True), (32 * 1024, False)])
def test_an_answer_too_has_to_be_taken_fast_enough(rate: int, over: bool) -> None:
    """Also where the application writes more as soon as there is room, so that what waits stays the same."""
    assert read(*((65_536, rate * now, float(now)) for now in range(101))).is_over(100.0) == over


def test_what_was_taken_before_there_was_something_to_wait_for_is_no_merit() -> None:
    assert read((0, 0, 0.0), *((65_536, 10**9 + now, float(now)) for now in range(1, 101))).is_over(100.0)
