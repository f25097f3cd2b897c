"""Sends requests at scheduled times, whether or not those before are answered; counts latency from the schedule.

    python -m benchmarks.open_loop URL BODY CONTENT_TYPE --rate 100 --seconds 10 [--arrivals even] [--answers FILE]

A program of its own, standard library only: one thread over epoll, so that it takes little of the CPUs it shares with
the server. A request goes out on an idle kept-alive connection or on a new one. SIGTERM ends the sending early. Prints
JSON: counts and latencies by status, its own lag (how late requests went out) and its own CPU time. Closed-loop tools
slow down with the server and so hide its queue; wrk has no open loop, and what Debian has (hey -q, siege) limits the
rate of a closed one.
"""

import argparse
import errno
import itertools
import json
import random
import re
import select
import signal
import socket
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

_GRACE_SECONDS = 15.0  # answers are waited for that long after the last request
_IDLE_SECONDS = 1.0  # uvicorn closes a connection that was idle for 5 s, LitServe's and BentoML's likewise
_CHUNK = 1 << 18
_RETRY_AFTER = re.compile(rb"^retry-after: (30|[12][0-9]|[1-9])\r$", re.IGNORECASE | re.MULTILINE)
BROKEN = "broken"  # connection refused, reset or closed before the answer's end
MISSING = "missing"  # no answer until the grace was over
UNSENT = "unsent"  # no file descriptor was left here for another connection


@dataclass
class Connection:
    """One socket and the request on it, if any."""

    socket: socket.socket
    scheduled: float | None = None
    idle_since: float = 0.0
    unsent: memoryview = field(default_factory=lambda: memoryview(b""))
    received: bytearray = field(default_factory=bytearray)


@dataclass
class Record:
    """What happened: latencies by status and when each ended, in seconds; how late requests went out; the answers.

    `without_retry_after`: refusals (429, 503) that do not say when to come again, in 1 to 30 s.
    """

    latencies: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    ends: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    lags: list[float] = field(default_factory=list)
    answers: Counter[bytes] = field(default_factory=Counter)
    without_retry_after: int = 0
    most_open: int = 0
    sending_seconds: float = 0.0


class OpenLoop:
    """One run. `keep_answers` counts each distinct body of a 200."""

    def __init__(self, address: tuple[str, int], request: bytes, *, keep_answers: bool) -> None:
        self._address, self._request, self._keep = address, request, keep_answers
        self._epoll = select.epoll()
        self._open: dict[int, Connection] = {}
        self._idle: list[Connection] = []
        self._waiting = 0
        self._began = 0.0
        self.record = Record()

    def run(self, offsets: Iterator[float]) -> Record:
        """Sends one request at each offset (seconds from now, ascending); ends when all are answered or given up."""
        self._began = began = time.perf_counter()
        due = next(offsets, None)
        while due is not None:
            now = time.perf_counter() - began
            while due is not None and due <= now:
                self.record.lags.append(now - due)
                self._send(began + due)
                due = next(offsets, None)
            self._receive(0 if due is None else max(0, due - (time.perf_counter() - began)))
        self.record.sending_seconds = time.perf_counter() - began
        end = time.perf_counter() + _GRACE_SECONDS
        while self._waiting and time.perf_counter() < end:
            self._receive(0.1)
        for connection in list(self._open.values()):
            if connection.scheduled is not None:
                self._finish(connection, MISSING, reusable=False)
        self._close()
        return self.record

    def _close(self) -> None:
        for connection in self._open.values():
            connection.socket.close()
        self._epoll.close()

    def _send(self, scheduled: float) -> None:
        try:
            connection = self._reused() or self._connected()
        except OSError:
            self._note(UNSENT, scheduled)
            return
        connection.scheduled, connection.unsent = scheduled, memoryview(self._request)
        self._waiting += 1
        self._push(connection)

    def _reused(self) -> Connection | None:
        """The last one used; none where that is so long ago that the server may be closing it just now."""
        if not self._idle or self._idle[-1].idle_since > time.perf_counter() - _IDLE_SECONDS:
            return self._idle.pop() if self._idle else None
        for connection in list(self._idle):
            self._discard(connection)
        return None

    def _connected(self) -> Connection:
        """Not connected yet, perhaps: what is sent then waits for it."""
        plug = socket.socket()
        plug.setblocking(False)
        plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = plug.connect_ex(self._address)
        connection = Connection(plug)
        self._open[plug.fileno()] = connection
        self._epoll.register(plug, select.EPOLLIN if code in (0, errno.EINPROGRESS) else 0)
        self.record.most_open = max(self.record.most_open, len(self._open))
        return connection

    def _push(self, connection: Connection) -> None:
        try:
            while connection.unsent:
                sent = connection.socket.send(connection.unsent)
                connection.unsent = connection.unsent[sent:]
        except (BlockingIOError, InterruptedError):
            self._epoll.modify(connection.socket, select.EPOLLIN | select.EPOLLOUT)
            return
        except OSError:
            if not connection.received:  # else the answer, a refusal before the body's end, may be there to read
                self._pull(connection)
            return
        self._epoll.modify(connection.socket, select.EPOLLIN)

    def _receive(self, seconds: float) -> None:
        # epoll's own timeout counts milliseconds; select's is exact to microseconds, and an epoll can be selected.
        if not select.select([self._epoll], [], [], seconds)[0]:
            return
        for descriptor, events in self._epoll.poll(0):
            connection = self._open.get(descriptor)
            if connection is not None and events & ~select.EPOLLOUT:
                self._pull(connection)
            elif connection is not None:
                self._push(connection)

    def _pull(self, connection: Connection) -> None:
        try:
            data = connection.socket.recv(_CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._finish(connection, BROKEN, reusable=False)
            return
        connection.received += data
        whole = _answer(connection.received)
        if whole is not None:
            status, body, keeps = whole
            if self._keep and status == "200":
                self.record.answers[body] += 1
            if status in ("429", "503") and not _RETRY_AFTER.search(connection.received):
                self.record.without_retry_after += 1
            self._finish(connection, status, reusable=keeps and not connection.unsent)

    def _finish(self, connection: Connection, status: str, *, reusable: bool) -> None:
        """Counts the answer; an idle connection that the server closes is no failure."""
        if connection.scheduled is not None:
            self._note(status, connection.scheduled)
            self._waiting -= 1
        connection.scheduled = None
        connection.received.clear()
        if reusable:
            connection.idle_since = time.perf_counter()
            self._idle.append(connection)
        else:
            self._discard(connection)

    def _note(self, status: str, scheduled: float) -> None:
        now = time.perf_counter()
        self.record.latencies[status].append(now - scheduled)
        self.record.ends[status].append(now - self._began)

    def _discard(self, connection: Connection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)
        del self._open[connection.socket.fileno()]
        self._epoll.unregister(connection.socket)
        connection.socket.close()


def _answer(received: bytearray) -> tuple[str, bytes, bool] | None:
    """Status, body, and whether the connection stays; None while the answer is incomplete. Needs a Content-Length."""
    head, separator, rest = bytes(received).partition(b"\r\n\r\n")
    if not separator:
        return None
    lowered = head.lower()
    length = int(lowered.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
    if len(rest) < length:
        return None
    return head[9:12].decode(), rest, b"connection: close" not in lowered


def offsets(rate: float, seconds: float, arrivals: str, seed: int = 0) -> Iterator[float]:
    """When requests are sent: `even`, or `poisson`, as if each came from a client of its own."""
    chance, now = random.Random(seed), 0.0
    while True:
        now += 1 / rate if arrivals == "even" else chance.expovariate(rate)
        if now > seconds:
            return
        yield now


def quantile(values: list[float], share: float) -> float:
    """0 where there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def summary(record: Record, seconds: float, cpu_seconds: float) -> dict[str, object]:
    return {
        "sent_per_second": len(record.lags) / seconds,
        "most_connections": record.most_open,
        "cpu_share": cpu_seconds / seconds,
        "without_retry_after": record.without_retry_after,
        "lag_ms": {"p50": 1e3 * quantile(record.lags, 0.5), "p99": 1e3 * quantile(record.lags, 0.99)},
        "by_status": {
            status: {
                "count": len(values),
                "per_second": sum(end <= seconds for end in record.ends[status]) / seconds,
                **{f"p{share}_ms": 1e3 * quantile(values, share / 100) for share in (50, 90, 99)},
                "most_ms": 1e3 * max(values),
            }
            for status, values in sorted(record.latencies.items())
        },
    }


def main() -> None:
    options = _options()
    url = urlsplit(options.url)
    body = Path(options.body).read_bytes()
    head = (
        f"POST {url.path}{'?' + url.query if url.query else ''} HTTP/1.1\r\nHost: {url.netloc}\r\n"
        f"Content-Type: {options.content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    loop = OpenLoop((str(url.hostname), int(url.port or 80)), head.encode() + body, keep_answers=bool(options.answers))
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    due = offsets(options.rate, options.seconds, options.arrivals)
    record = loop.run(itertools.takewhile(lambda _: not stopped.is_set(), due))
    if options.answers:
        counted = [[count, answer.decode()] for answer, count in record.answers.items()]
        Path(options.answers).write_text(json.dumps(counted))
    seconds = record.sending_seconds if stopped.is_set() else options.seconds
    json.dump(summary(record, seconds, time.process_time()), sys.stdout)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("body", help="file that is sent")
    parser.add_argument("content_type")
    parser.add_argument("--rate", type=float, required=True, help="requests a second")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--arrivals", choices=["poisson", "even"], default="poisson")
    parser.add_argument("--answers", help="file that gets each distinct body of a 200 and how often it came")
    return parser.parse_args()


if __name__ == "__main__":
    main()
