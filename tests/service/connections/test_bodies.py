"""The body of a request: chunks, lengths, and what happens to the rest where the answer came first. Rows H13 to H19."""

import gc
import gzip
import json
import select
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.app import create_app
from service.connections import crowd
from service.connections.bounds import Bounds
from service.settings import Settings
from tests.service.api.conftest import pixels, png, served, until
from tests.service.connections.conftest import BODY_BYTES, address_of, application
from tests.service.connections.raw import Address, Answer, answer, answers, connected, exchanged, head, post

CLASSIFY = "/v1/models/grey/classify"
CHUNKED = head(f"POST {CLASSIFY} HTTP/1.1", "Transfer-Encoding: chunked")
CHUNKED_LAST = head(f"POST {CLASSIFY} HTTP/1.1", "Transfer-Encoding: chunked", "Connection: close")
PICTURE = png(pixels())


def chunk(data: bytes, extension: bytes = b"") -> bytes:
    return b"%x%b\r\n%b\r\n" % (len(data), extension, data)


def only(found: list[Answer]) -> Answer:
    (one,) = found
    assert one.headers["connection"] == "close"
    return one


@pytest.mark.parametrize("size", [1, 7, 64, len(PICTURE)])
def test_h15_a_body_in_chunks_is_answered(address: Address, size: int) -> None:
    pieces = [PICTURE[start : start + size] for start in range(0, len(PICTURE), size)]
    found = only(exchanged(address, CHUNKED_LAST + b"".join(map(chunk, pieces)) + b"0\r\n\r\n"))
    assert found.status == 200


@pytest.mark.parametrize(
    "rest",
    [
        b"x\r\n",
        b"-1\r\n",
        b"5\r\nabcdefg\r\n0\r\n\r\n",
        b"5 \r\nabcde\r\n",
        b"ffffffffffffffffff\r\n",
        b"5\nabcde\n",
        b"\r\n",
    ],
    ids=repr,
)
def test_h15_a_bad_chunk_is_the_requests_400(address: Address, rest: bytes) -> None:
    assert only(exchanged(address, CHUNKED + rest)).problem == (400, "request_malformed")


def test_h15_a_million_chunks_of_a_byte_are_cut_off(address: Address) -> None:
    found = only(exchanged(address, CHUNKED + 10**6 * chunk(b"x")))
    assert found.status == 413
    assert found.problem[1] in {"chunks_too_small", "body_too_large"}


def test_h15_chunks_with_endless_extensions_are_cut_off(address: Address) -> None:
    found = only(exchanged(address, CHUNKED + 200 * chunk(b"x", b";a=" + 10_000 * b"b")))
    assert found.problem == (413, "chunks_too_small")


def test_h15_an_extension_without_an_end_is_cut_off(address: Address) -> None:
    found = only(exchanged(address, CHUNKED + b"5;" + 2**20 * b"a"))
    assert found.problem == (413, "chunks_too_small")


def test_h15_trailers_are_read_and_dropped(address: Address) -> None:
    trailers = b"0\r\nX-Request-ID: trailer\r\nContent-Type: application/json\r\n\r\n"
    found = exchanged(
        address, CHUNKED + chunk(PICTURE) + trailers + head("GET /health/live HTTP/1.1", "Connection: close")
    )
    assert [one.status for one in found] == [200, 200]
    assert found[0].headers["x-request-id"] != "trailer"


def test_h15_too_many_trailers_are_refused(address: Address) -> None:
    trailers = b"".join(b"a%d: b\r\n" % number for number in range(200))
    found = exchanged(address, CHUNKED + chunk(PICTURE) + b"0\r\n" + trailers + b"\r\n")
    assert found[-1].problem == (431, "head_too_large")


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "deflate"])
def test_h16_a_compressed_body_is_not_an_image_and_is_never_decompressed(address: Address, coding: str) -> None:
    bomb = gzip.compress(10**8 * b"\0", 9)[: BODY_BYTES - 1]
    found = only(exchanged(address, post(CLASSIFY, bomb, f"Content-Encoding: {coding}", "Connection: close")))
    assert found.status == 415


@pytest.mark.parametrize("path", [CLASSIFY, "/v2/models/grey/infer"])
def test_h18_a_body_too_large_is_refused_without_100_continue(address: Address, path: str) -> None:
    sent = head(f"POST {path} HTTP/1.1", "Content-Length: 10000000000", "Expect: 100-continue")
    assert [one.status for one in exchanged(address, sent)] == [413]


def test_h18_a_body_that_may_come_is_asked_for(address: Address) -> None:
    sent = head(f"POST {CLASSIFY} HTTP/1.1", f"Content-Length: {len(PICTURE)}", "Expect: 100-continue")
    with connected(address, sent) as connection:
        assert answer(connection).status == 100
        connection.sendall(PICTURE)
        assert answer(connection).status == 200


def test_h19_a_body_where_none_belongs_is_ignored(address: Address) -> None:
    sent = head("GET /health/live HTTP/1.1", "Content-Length: 5") + b"hello"
    found = exchanged(address, sent + head("GET /v1/models HTTP/1.1", "Connection: close"))
    assert [one.status for one in found] == [200, 200]


def test_h19_who_leaves_before_the_end_of_the_body_disturbs_nobody(address: Address, client: httpx.Client) -> None:
    sent = post(CLASSIFY, PICTURE)
    for length in range(1, len(sent), 17):
        with connected(address, sent[:length]):
            pass
    until(lambda: " 1.0\n" in client.get("/metrics").text.split("fovea_http_requests_in_flight")[-1])


@pytest.mark.parametrize("excess", [-1, 0, 1])
def test_the_limit_of_the_body_holds_to_the_byte_by_length_and_by_chunks(address: Address, excess: int) -> None:
    body = PICTURE + (BODY_BYTES + excess - len(PICTURE)) * b"\0"
    status = 413 if excess > 0 else 200
    assert only(exchanged(address, post(CLASSIFY, body, "Connection: close"))).status == status
    pieces = b"".join(chunk(body[start : start + 4096]) for start in range(0, len(body), 4096))
    assert only(exchanged(address, CHUNKED_LAST + pieces + b"0\r\n\r\n")).status == status


def taken(address: Address, sent: bytes, more: bytes) -> tuple[int, list[Answer]]:
    """How many bytes the service took until it closed, of a body without an end; and what it answered."""
    with connected(address, sent) as connection:
        count = 0
        try:
            while count < 256 * 2**20:
                count += connection.send(more)
        except OSError:
            pass
        return count, answers(connection)


@pytest.mark.parametrize("way", ["length", "chunks"])
def test_the_rest_of_a_10_gb_body_is_not_read_and_the_answer_is_not_lost(address: Address, way: str) -> None:
    sent = head(f"POST {CLASSIFY} HTTP/1.1", "Content-Length: 10000000000") if way == "length" else CHUNKED
    count, found = taken(address, sent, chunk(2**16 * b"x"))
    assert only(found).problem == (413, "body_too_large")
    assert count < 32 * 2**20  # what is read, and what fits into the kernel's buffers of both ends


def test_the_rest_of_a_long_body_behind_another_answer_is_not_read_either(address: Address) -> None:
    count, found = taken(address, head("POST /nowhere HTTP/1.1", "Content-Length: 10000000000"), 2**16 * b"x")
    assert [one.status for one in found] == [404]
    assert count < 32 * 2**20


def test_the_rest_of_a_short_body_behind_an_early_answer_is_read_for_the_next_request(address: Address) -> None:
    body = (BODY_BYTES - 10) * b"x"
    found = exchanged(address, post("/nowhere", body) + head("GET /health/live HTTP/1.1", "Connection: close"))
    assert [one.status for one in found] == [404, 200]


def test_where_all_bodies_together_are_too_large_the_largest_is_refused_and_the_others_are_answered(
    folder: Path,
) -> None:
    """The large one waits for its end; small ones come and go beside it."""
    with served(application(folder), bounds=Bounds(bodies_bytes=100_000)) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        address = address_of(client)
        large = head(f"POST {CLASSIFY} HTTP/1.1", "Content-Length: 99000")
        with connected(address, large + 90_000 * b"x") as connection:
            while not select.select([connection], [], [], 0)[0]:  # until the service has read so far
                assert client.post(CLASSIFY, content=PICTURE + 30_000 * b"\0").status_code == 200
            (found,) = answers(connection)
        assert found.problem == (503, "bodies_full")
        assert found.headers["retry-after"] == "1"
        assert client.post(CLASSIFY, content=PICTURE + 30_000 * b"\0").status_code == 200


def test_a_whole_body_is_answered_once_however_much_is_held(folder: Path) -> None:
    """The express door gives it on when it is complete, and nobody else has an unfinished one."""
    with served(application(folder), bounds=Bounds(bodies_bytes=1_000)) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        with connected(address_of(client), post(CLASSIFY, PICTURE + 30_000 * b"\0")) as connection:
            assert answer(connection).status == 200
            connection.sendall(head("GET /health/live HTTP/1.1", "Connection: close"))
            assert [one.status for one in answers(connection)] == [200]


def test_a_length_with_zeros_before_it_is_no_smaller(address: Address) -> None:
    """The express door would keep all of the body, whatever comes."""
    line = head(f"POST {CLASSIFY} HTTP/1.1", "Content-Length: " + 30 * "0" + "9000000")
    assert only(exchanged(address, line + 2 * BODY_BYTES * b"x")).problem == (413, "body_too_large")


@pytest.fixture
def no_collector() -> Iterator[None]:
    """What only Python's collector of cycles frees stays. It comes round rarely, where it is little that holds much."""
    gc.disable()
    tracemalloc.start()
    yield
    tracemalloc.stop()
    gc.enable()


@pytest.mark.usefixtures("no_collector")
def test_nothing_of_a_refused_body_is_kept(folder: Path) -> None:
    with served(application(folder), bounds=Bounds(bodies_bytes=50_000)) as client:
        until(lambda: client.get("/health/ready").status_code == 200)

        def refuse(times: int) -> int:
            for _ in range(times):
                with connected(address_of(client), CHUNKED + chunk(40_000 * b"x")) as connection:
                    time.sleep(0.05)  # the application has that part
                    connection.sendall(chunk(40_000 * b"x"))
                    assert only(answers(connection)).problem == (503, "bodies_full")
            return tracemalloc.get_traced_memory()[0]

        before = refuse(5)
        assert refuse(40) - before < 20 * 40_000


def test_the_memory_of_bodies_that_are_gone_is_given_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given_back: list[None] = []
    monkeypatch.setattr(crowd, "give_back", lambda: given_back.append(None))
    monkeypatch.setattr(crowd, "_MUCH_BYTES", 10 * BODY_BYTES)  # the other services here never held as much
    app = create_app(Settings(models=folder, provider="cpu"))
    with served(app) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        assert client.post(CLASSIFY, content=PICTURE + 900_000 * b"\0").status_code == 200
        time.sleep(2.0)  # a look a second
        assert not given_back
        assert client.post(CLASSIFY, content=PICTURE + 1_100_000 * b"\0").status_code == 200
        until(lambda: len(given_back) == 1)


def test_a_body_that_ends_with_the_head_of_the_next_request_is_no_overhead(address: Address) -> None:
    """Counted by what it is, not by where the pieces end."""
    one = CHUNKED + chunk(PICTURE) + b"0\r\n\r\n"
    with connected(address) as connection:
        sent = 50 * one + CHUNKED_LAST + chunk(PICTURE) + b"0\r\n\r\n"
        for start in range(0, len(sent), 1000):
            connection.sendall(sent[start : start + 1000])
        assert [json.loads(found.body)["model"] for found in answers(connection)] == 51 * ["grey"]
