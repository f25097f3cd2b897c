"""How the service stops: told at once, answering on, nobody cut off. Promise 4, in one process and in several."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import tiny_models
from tests.service.api.conftest import pixels, png, put, until
from tests.service.connections.raw import Address, answer, answers, connected, exchanged, head, post
from tests.service.connections.stoppable import ready, stoppable

CLASSIFY = "/v1/models/grey/classify"
CLOSE = "Connection: close"
IN_FLIGHT = 200


def test_all_of_200_requests_under_way_are_answered(folder: Path) -> None:
    """Held by an event, so that all are under way when it is told to stop; let go when nobody can connect any more."""
    with stoppable(folder, seconds=0.0) as service, contextlib.ExitStack() as stack:
        hold = head("GET /hold HTTP/1.1")
        waiting = [stack.enter_context(connected(service.address, hold)) for _ in range(IN_FLIGHT)]
        until(lambda: service.app.state.ledger.counts.in_flight() == IN_FLIGHT)
        service.stop()
        until(lambda: not can_connect(service.address))
        service.let_go()
        found = [answers(one) for one in waiting]
        assert [[one.status for one in each] for each in found] == IN_FLIGHT * [[200]]
        assert {one.headers["connection"] for each in found for one in each} == {"close"}
        service.thread.join()


def can_connect(address: Address) -> bool:
    try:
        with socket.create_connection(address, timeout=60):
            return True
    except ConnectionRefusedError:
        return False


def test_while_it_drains_it_is_not_ready_and_answers_everybody_for_the_last_time(folder: Path) -> None:
    picture = png(pixels())
    with stoppable(folder, seconds=3600.0) as service, connected(service.address, head()) as kept:
        assert "connection" not in answer(kept).headers
        service.stop()
        found = ready(service.address)
        assert (found.status, b"the service is stopping" in found.body) == (503, True)
        kept.sendall(head())
        assert [(one.status, one.headers["connection"]) for one in answers(kept)] == [(200, "close")]
        for request in (head(), post(CLASSIFY, picture), head("GET /v1/models HTTP/1.1")):
            with connected(service.address, request) as connection:
                assert [(one.status, one.headers["connection"]) for one in answers(connection)] == [(200, "close")]
        (found,) = exchanged(service.address, head("GET /v2/health/ready HTTP/1.1"))
        assert b"false" in found.body


def test_a_request_that_had_begun_is_answered_however_far_it_had_come(folder: Path) -> None:
    """Also one whose connection has been taken, and nothing more."""
    picture = png(pixels())
    whole = post(CLASSIFY, picture)
    with stoppable(folder, seconds=0.0) as service, contextlib.ExitStack() as stack:
        cuts = (1, 40, len(whole) - len(picture), len(whole) - 1)
        begun = {cut: stack.enter_context(connected(service.address, whole[:cut])) for cut in cuts}
        until(lambda: len(service.server.server_state.connections) >= len(cuts))
        service.stop()
        until(lambda: not can_connect(service.address))
        for cut, connection in begun.items():
            connection.sendall(whole[cut:])
        assert [[one.status for one in answers(each)] for each in begun.values()] == len(cuts) * [[200]]
        service.thread.join()


def test_who_says_nothing_does_not_keep_it(folder: Path) -> None:
    with stoppable(folder, seconds=0.0) as service:
        with connected(service.address) as fresh, connected(service.address, head()) as idle:
            assert answer(idle).status == 200
            service.stop()
            assert (answers(fresh), answers(idle)) == ([], [])
        service.thread.join()


# --- real processes and signals


@contextlib.contextmanager
def serving(folder: Path, **settings: str) -> Iterator[tuple["subprocess.Popen[bytes]", Address]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address: Address = free.getsockname()
    command = [sys.executable, "-m", "service", "serve", "--port", str(address[1]), "--models", str(folder)]
    variables = {**os.environ, "FOVEA_PROVIDER": "cpu", **settings}
    with subprocess.Popen(command, env=variables, stderr=subprocess.PIPE) as process:  # noqa: S603
        try:
            until(lambda: _answers(address))
            yield process, address
        finally:
            if process.poll() is None:
                process.kill()


def _answers(address: Address) -> bool:
    with contextlib.suppress(OSError):
        return ready(address).status in {200, 503}
    return False


def ended(process: "subprocess.Popen[bytes]") -> int:
    _, log = process.communicate(timeout=120)
    assert b"Traceback" not in log, log.decode()
    return process.returncode


@pytest.mark.parametrize("workers", ["1", "2"])
def test_nobody_is_reset_who_connects_while_it_stops(folder: Path, workers: str) -> None:
    """Sixteen clients, each with a new connection for each request, until nobody listens any more."""
    with serving(folder, FOVEA_WORKERS=workers, FOVEA_DRAIN_SECONDS="0.3") as (process, address):
        until(lambda: ready(address).status == 200)
        seen: list[str] = []
        clients = [threading.Thread(target=_asked_until_refused, args=[address, seen]) for _ in range(16)]
        for client in clients:
            client.start()
        until(lambda: len(seen) > 100)
        process.send_signal(signal.SIGTERM)
        for client in clients:
            client.join()
        assert ended(process) == 0
    assert set(seen) == {"200", "refused"}
    assert seen.count("refused") == 16


def _asked_until_refused(address: Address, seen: list[str]) -> None:
    while True:
        try:
            connection = socket.create_connection(address, timeout=120)
        except ConnectionRefusedError:
            seen.append("refused")
            return
        except OSError as error:
            seen.append(f"connecting: {error!r}")
            return
        with connection:
            try:
                connection.sendall(head("GET /health/live HTTP/1.1", CLOSE))
                seen.append(str(answers(connection)[0].status))
            except (OSError, IndexError) as error:
                seen.append(repr(error))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_told_a_second_time_it_ends_at_once(folder: Path, workers: str) -> None:
    with serving(folder, FOVEA_WORKERS=workers, FOVEA_DRAIN_SECONDS="3600") as (process, address):
        until(lambda: ready(address).status == 200)
        process.send_signal(signal.SIGTERM)
        until(lambda: ready(address).status == 503)
        process.send_signal(signal.SIGTERM)
        assert ended(process) == 1


def test_told_a_second_time_workers_that_could_not_listen_end_at_once_too(folder: Path) -> None:
    with serving(folder, FOVEA_WORKERS="2", FOVEA_DRAIN_SECONDS="3600") as (process, address):
        until(lambda: ready(address).status == 200)
        workers = list(map(int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()))
        with all_stopped(workers):
            for number in (signal.SIGTERM, signal.SIGINT):
                process.send_signal(signal.SIGTERM)
                until(lambda number=number: all(number in waiting(worker) for worker in workers))  # type: ignore[misc]
        assert ended(process) == 1


@contextlib.contextmanager
def all_stopped(processes: list[int]) -> Iterator[None]:
    """With all of their threads, until the end of the block."""
    try:
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        until(lambda: all(map(_is_stopped, processes)))
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


def _is_stopped(process: int) -> bool:
    with contextlib.suppress(FileNotFoundError):  # a thread that ended meanwhile
        return all(") T " in path.read_text() for path in Path(f"/proc/{process}/task").glob("*/stat"))
    return False


def waiting(process: int) -> set[int]:
    """The signals that it was sent and has not heard yet."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    bits = int(status["SigPnd"], 16) | int(status["ShdPnd"], 16)
    return {number for number in range(1, 65) if bits >> (number - 1) & 1}


def test_a_worker_that_is_stopped_alone_is_started_again_and_can_be_connected_to(folder: Path) -> None:
    with serving(folder, FOVEA_WORKERS="2", FOVEA_DRAIN_SECONDS="0") as (process, address):
        until(lambda: ready(address).status == 200)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        before = set(children.read_text().split())
        os.kill(int(min(before)), signal.SIGTERM)
        until(lambda: len(set(children.read_text().split()) - before) == 1)
        until(lambda: ready(address).status == 200)
        for _ in range(40):  # spread over both: one alone would be 1 in 10^12
            (found,) = exchanged(address, head("GET /health/live HTTP/1.1", CLOSE))
            assert found.status == 200
        process.send_signal(signal.SIGTERM)
        assert ended(process) == 0


def test_a_model_that_is_loading_does_not_keep_it(tmp_path: Path) -> None:
    """One that never ends: its trial has thirty seconds, what the service waits for is less. Nothing is left behind."""
    put(tmp_path, "endless", tiny_models.counting(2**62))
    with serving(tmp_path, FOVEA_WORKERS="1", FOVEA_DRAIN_SECONDS="0") as (process, address):
        assert b"loading" in ready(address).body
        trial = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert trial
        process.send_signal(signal.SIGTERM)
        assert ended(process) == 0
    until(lambda: not any(Path(f"/proc/{child}").exists() for child in trial))
