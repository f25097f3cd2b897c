"""Many connections at once: the cap, who makes room, order, and a process without a free descriptor. Row H20."""

import asyncio
import contextlib
import os
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.connections import open_files
from service.connections.bounds import Bounds
from service.connections.crowd import Crowd
from service.connections.draining import Draining
from service.connections.open_files import room_for
from tests.service.api.conftest import pixels, png, served, until
from tests.service.connections.conftest import address_of, application
from tests.service.connections.raw import Address, answer, answers, connected, exchanged, head, post
from tests.service.connections.stoppable import stoppable

CLASSIFY = "/v1/models/grey/classify"
CLOSE = "Connection: close"
CAP = 20


@pytest.fixture(scope="module")
def crowded(folder: Path) -> Iterator[Address]:
    """A service with room for twenty connections."""
    with served(application(folder), bounds=Bounds(connections=CAP)) as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        address = address_of(client)
        client.close()
        yield address


def is_live(address: Address) -> bool:
    with contextlib.suppress(OSError):
        return [one.status for one in exchanged(address, head("GET /health/live HTTP/1.1", CLOSE))] == [200]
    return False


def test_h20_one_connection_too_many_is_told_so_where_all_are_busy(crowded: Address) -> None:
    busy = head(f"POST {CLASSIFY} HTTP/1.1", "Content-Length: 100")
    with contextlib.ExitStack() as stack:
        for _ in range(CAP):
            stack.enter_context(connected(crowded, busy))
        found = until_refused(crowded)
    assert found == ((503, "connections_full"), "1")
    until(lambda: is_live(crowded))


def until_refused(address: Address) -> tuple[tuple[int, str], str]:
    """What one more is told, once the service has seen that all others are busy."""
    refusals: list[tuple[tuple[int, str], str]] = []

    def refused() -> bool:
        (one,) = exchanged(address, head("GET /health/live HTTP/1.1", CLOSE))
        if one.status != 200:
            refusals.append((one.problem, one.headers["retry-after"]))
        return one.status != 200

    until(refused)
    return refusals[0]


def test_h20_who_asks_for_nothing_makes_room(crowded: Address) -> None:
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(connected(crowded)) for _ in range(CAP)]
        until(lambda: is_live(crowded))
        until(lambda: is_live(crowded))
        closed = [one for one in idle if _is_closed(one)]
        assert closed
        assert len(closed) < CAP


def test_h20_so_does_who_still_reads_a_last_answer(folder: Path) -> None:
    """Of a service whose patience alone would make none."""
    last = head("GET /static-offline-docs/swagger-ui-bundle.js HTTP/1.1", CLOSE)
    with (
        served(application(folder), bounds=Bounds(patience_seconds=3600.0, connections=CAP)) as client,
        contextlib.ExitStack() as stack,
    ):
        address = address_of(client)
        for _ in range(CAP):
            slow = stack.enter_context(socket.socket())
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.connect(address)
            slow.sendall(last)
        until(lambda: is_live(address))


def _is_closed(connection: socket.socket) -> bool:
    connection.settimeout(0.01)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True


def test_h20_a_thousand_requests_at_once_are_answered_in_their_order(address: Address) -> None:
    picture = png(pixels())
    kinds = [head(), post(CLASSIFY, picture), head("GET /nowhere HTTP/1.1"), post("/v1/models/none/classify", picture)]
    statuses = [200, 200, 404, 404]
    sent = [kinds[number % 4] for number in range(1000)] + [head("GET /health/live HTTP/1.1", CLOSE)]
    with connected(address) as connection:
        sender = threading.Thread(target=connection.sendall, args=[b"".join(sent)])
        sender.start()
        found = answers(connection)
        sender.join()
    assert [one.status for one in found] == [*(statuses[number % 4] for number in range(1000)), 200]


def test_h20_what_waits_behind_an_answer_is_not_taken_before_its_turn(folder: Path) -> None:
    """Else 256 KiB of requests would be some megabytes of memory, and as many more behind each answer."""
    count = 5_000
    with stoppable(folder, seconds=0.0) as service:
        sent = head("GET /hold HTTP/1.1") + count * head() + head("GET /health/live HTTP/1.1", CLOSE)
        with connected(service.address) as connection:
            sender = threading.Thread(target=connection.sendall, args=[sent])
            sender.start()
            until(lambda: service.app.state.ledger.counts.in_flight() == 1)
            (one,) = service.server.server_state.connections
            until(lambda: one.flow.read_paused)  # type: ignore[union-attr]  # it is a GuardedProtocol
            assert one.intake.messages < 200  # type: ignore[union-attr]
            service.let_go()
            assert len(answers(connection)) == count + 2
            sender.join()


def test_h20_hundreds_of_kept_connections_are_all_answered(address: Address) -> None:
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connected(address, head())) for _ in range(300)]
        assert [answer(one).status for one in connections] == 300 * [200]


def test_h20_a_process_that_may_open_256_files_recovers_from_more_connections(folder: Path) -> None:
    """The cap follows the limit; nothing else is short of descriptors, and all are given back."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address: Address = free.getsockname()
    command = [sys.executable, "-m", "service", "serve", "--port", str(address[1]), "--models", str(folder)]
    limited = ["/bin/sh", "-c", 'ulimit -n 256 && exec "$@"', "sh", *command]
    variables = {**os.environ, "FOVEA_WORKERS": "1", "FOVEA_PROVIDER": "cpu", "FOVEA_LOG_LEVEL": "warning"}
    with (
        subprocess.Popen(limited, env=variables, stderr=subprocess.PIPE) as process,  # noqa: S603
        contextlib.ExitStack() as ends,
    ):
        ends.callback(process.kill)
        until(lambda: is_live(address))
        before = _open_files(process.pid)
        with contextlib.ExitStack() as stack:
            most = before
            for _ in range(400):
                with contextlib.suppress(OSError):
                    stack.enter_context(connected(address))
                most = max(most, _open_files(process.pid))
            until(lambda: is_live(address))
            assert before < most < 256 - 20
        until(lambda: _open_files(process.pid) <= before + 2 and is_live(address))
        process.terminate()
        _, log = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "the limit of open files allows no more" in log.decode()
    assert b"Traceback" not in log


def _open_files(process: int) -> int:
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


def test_the_limit_of_open_files_is_raised_as_far_as_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = (256, 4096)

    def set_to(_what: int, new: tuple[int, int]) -> None:
        nonlocal limits
        limits = new

    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", set_to)
    monkeypatch.setattr(open_files, "_enlarge", lambda _: None)  # the limit is none of this process's
    assert room_for(20, 256) == (20, 256)
    limits = (256, 4096)
    assert room_for(1000, 64) == (1000, 64)
    assert limits == (1160, 4096)
    assert room_for(100_000, 64) == (4096 - 160, 64)
    limits = (100, 100)
    assert room_for(1000, 64) == (16, 16)
    limits = (256, 256)
    assert room_for(1000, 256) == (80, 80)


def test_the_table_of_open_files_is_large_enough_from_the_start() -> None:
    """Where it grows, the whole process stands still."""
    asked = "from service.connections.open_files import room_for; print(room_for(1000, 256))"
    shown = "print(open('/proc/self/status').read().partition('FDSize:')[2].split()[0])"
    command = [sys.executable, "-c", f"{asked}; {shown}"]
    room, size = subprocess.check_output(command, text=True).splitlines()  # noqa: S603 - our own command
    assert room == "(1000, 256)"
    assert int(size) >= 1000 + 256


def test_a_process_that_may_open_next_to_nothing_still_starts() -> None:
    asked = "from service.connections.open_files import room_for; print(room_for(1000, 256))"
    command = ["/bin/sh", "-c", 'ulimit -n 100 && exec "$@"', "sh", sys.executable, "-c", asked]
    assert subprocess.check_output(command, text=True) == "(16, 16)\n"  # noqa: S603 - our own command


def test_a_round_looks_at_a_few_connections_at_a_time_and_at_each_once() -> None:
    looked: list[int] = []
    calls: list[float] = []

    class Member:
        client = None

        def __init__(self, number: int) -> None:
            self.number = number

        def look(self, _now: float) -> None:
            looked.append(self.number)

        def has_asked(self) -> bool:
            return False

    class Loop(asyncio.SelectorEventLoop):
        def time(self) -> float:
            return 100.0

        def call_at(self, when: float, *given: Any, **named: Any) -> asyncio.TimerHandle:  # type: ignore[override]
            calls.append(when)
            return super().call_at(when, *given, **named)

    crowd, loop = Crowd(Bounds(), Draining(), lambda *_: (500, [], b"")), Loop()
    crowd.members.update(Member(number) for number in range(60))  # type: ignore[misc]
    for least in (25, 50, 60):
        crowd._look(loop)
        assert len(looked) == least
    assert sorted(looked) == list(range(60))
    assert calls == [100.02, 100.02, 101.0]
    looked.clear()
    crowd.members.update(Member(number) for number in range(60, 10_000))  # type: ignore[misc]
    for _ in range(50):  # a second's
        crowd._look(loop)
    loop.close()
    assert sorted(looked) == list(range(10_000))
