"""The open-loop generator, against a plain server on a real port."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest

from benchmarks.open_loop import BROKEN, OpenLoop, Record, offsets, summary

Answer = Callable[[int, asyncio.StreamWriter], Awaitable[None]]


@contextmanager
def serving(answer: Answer, size: int = 10) -> Iterator[tuple[str, int]]:
    """Reads each request, of `size` bytes, to its end and lets `answer` write; it is told how many came before."""
    count, port = 0, 0

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        while not writer.is_closing():
            try:
                await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(size)
            except asyncio.IncompleteReadError:
                break
            count += 1
            await answer(count - 1, writer)
        writer.close()

    async def main(started: threading.Event) -> None:
        nonlocal port
        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        started.set()
        await asyncio.wait_for(stop.wait(), 60)
        server.close()

    stop, loop, started = asyncio.Event(), asyncio.new_event_loop(), threading.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(main(started)))
    thread.start()
    started.wait()
    try:
        yield "127.0.0.1", port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def request(size: int = 10) -> bytes:
    return f"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: {size}\r\n\r\n".encode() + b"x" * size


def seen(answer: Answer, due: list[float], *, keep_answers: bool = False, size: int = 10) -> Record:
    with serving(answer, size) as address:
        return OpenLoop(address, request(size), keep_answers=keep_answers).run(iter(due))


async def ok(_count: int, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")


def test_every_answer_is_counted_under_its_status() -> None:
    async def every_second_refused(count: int, writer: asyncio.StreamWriter) -> None:
        if count % 2:
            writer.write(b"HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            writer.close()
        else:
            await ok(count, writer)

    record = seen(every_second_refused, [i / 100 for i in range(20)])
    assert {status: len(values) for status, values in record.latencies.items()} == {"200": 10, "503": 10}


def test_requests_go_out_on_time_although_nothing_is_answered_and_latency_counts_from_then() -> None:
    lock = asyncio.Lock()

    async def one_at_a_time(count: int, writer: asyncio.StreamWriter) -> None:
        async with lock:
            await asyncio.sleep(0.1)
            await ok(count, writer)

    record = seen(one_at_a_time, [0.0, 0.01, 0.02, 0.03])
    fastest, *_, slowest = sorted(record.latencies["200"])
    assert record.most_open == 4
    assert fastest >= 0.1
    assert slowest >= 0.4 - 0.03


def test_a_connection_is_used_again_unless_it_was_idle_for_long() -> None:
    clients = set()

    async def noted(count: int, writer: asyncio.StreamWriter) -> None:
        clients.add(writer.get_extra_info("peername"))
        await ok(count, writer)

    assert len(seen(noted, [0.0, 0.5, 1.0]).latencies["200"]) == 3
    assert len(clients) == 1
    clients.clear()
    assert len(seen(noted, [0.0, 1.5]).latencies["200"]) == 2
    assert len(clients) == 2


def test_an_answer_is_whole_once_its_last_byte_came() -> None:
    async def halved(_count: int, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.write(b"cd")

    record = seen(halved, [0.0], keep_answers=True)
    assert record.answers == {b"abcd": 1}
    assert record.latencies["200"][0] >= 0.1


def test_a_request_larger_than_what_a_socket_takes_at_once_arrives_whole() -> None:
    assert len(seen(ok, [0.0, 0.0], size=30_000_000).latencies["200"]) == 2


def test_a_connection_closed_without_an_answer_is_broken() -> None:
    async def gone(_count: int, writer: asyncio.StreamWriter) -> None:
        writer.close()

    assert len(seen(gone, [0.0, 0.01]).latencies[BROKEN]) == 2


def test_nobody_listening_is_broken_not_an_error() -> None:
    with serving(ok) as address:
        pass
    record = OpenLoop(address, request(), keep_answers=False).run(iter([0.0, 0.01]))
    assert len(record.latencies[BROKEN]) == 2


def test_distinct_answers_are_kept_with_how_often_each_came() -> None:
    async def odd_or_even(count: int, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + b"01"[count % 2 : count % 2 + 1])

    record = seen(odd_or_even, [0.0, 0.05, 0.1], keep_answers=True)
    assert record.answers == {b"0": 2, b"1": 1}


def test_refusals_that_do_not_say_when_to_come_again_are_counted() -> None:
    said = (
        "Retry-After: 1\r\n",
        "retry-after: 30\r\n",
        "",
        "Retry-After: 0\r\n",
        "Retry-After: 31\r\n",
        "Retry-After: soon\r\n",
    )

    async def refused(number: int, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 503 Busy\r\n{said[number]}Content-Length: 0\r\n\r\n".encode())

    record = seen(refused, [0.05 * number for number in range(len(said))])
    assert len(record.latencies["503"]) == len(said)
    assert record.without_retry_after == 4


@pytest.mark.parametrize("arrivals", ["poisson", "even"])
def test_as_many_requests_are_scheduled_as_the_rate_asks_for(arrivals: str) -> None:
    due = list(offsets(1000, 10, arrivals))
    assert due == sorted(due)
    assert len(due) == pytest.approx(10_000, rel=0.05)
    assert due[-1] <= 10


def test_only_answers_within_the_sending_time_count_as_goodput() -> None:
    record = Record()
    record.latencies["200"] = [0.1, 0.1, 5.0]
    record.ends["200"] = [0.5, 1.0, 6.0]
    by_status = summary(record, 2.0, 0.0)["by_status"]
    assert by_status["200"]["count"] == 3  # type: ignore[index]
    assert by_status["200"]["per_second"] == 1.0  # type: ignore[index]


def test_a_request_that_goes_out_late_counts_its_lateness() -> None:
    record = seen(ok, [-0.2])
    assert record.latencies["200"][0] >= 0.2
    assert record.lags[0] >= 0.2
