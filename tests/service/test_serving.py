"""`python -m service serve` with two workers, as an operator starts, asks, breaks and stops it."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families as families

from service.serving import workers
from service.settings import Settings
from service.workers import listening_sockets
from tests import tiny_models
from tests.service.api.conftest import named, pixels, png, put, until

PICTURE = png(pixels())
TOKEN = "a-token-of-sixteen"  # noqa: S105 - of a test
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
URL = "/v1/models/grey/classify"


@dataclass
class Served:
    """A service of two workers. Each request goes over a connection of its own, to whom the kernel gives it."""

    process: "subprocess.Popen[bytes]"
    address: str
    folder: Path

    def ask(
        self, method: str, path: str, *, content: bytes = b"", headers: dict[str, str] | None = None
    ) -> httpx.Response:
        return httpx.request(method, self.address + path, content=content, headers=headers, timeout=60)

    def everywhere(self, holds: Callable[[], bool], times: int = 40) -> bool:
        """Whether it holds so often in a row that both workers were asked (of 40 one alone: 1 in 10^12)."""
        return all(holds() for _ in range(times))

    def classified(self) -> int:
        return self.ask("POST", URL, content=PICTURE).status_code

    def children(self) -> set[int]:
        return children(self.process.pid)

    def metric(self, name: str, **labels: str) -> float:
        samples = [one for family in families(self.ask("GET", "/metrics").text) for one in family.samples]
        return sum(one.value for one in samples if one.name == name and labels.items() <= one.labels.items())


def children(process: int) -> set[int]:
    """Whichever of its threads has started them."""
    listed = Path(f"/proc/{process}/task").glob("*/children")
    return {int(child) for path in listed for child in path.read_text().split()}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with started(tmp_path, FOVEA_MANAGEMENT_TOKENS=TOKEN, FOVEA_LIVE_SHARE="1") as service:
        yield service


@contextmanager
def started(folder: Path, **given: str) -> Iterator[Served]:
    """Two workers with these settings, once they are ready."""
    put(folder, "grey", named(tiny_models.classifier(layout="NHWC", dtype=tiny_models.UINT8, channels=1)))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    patient = {"FOVEA_REQUEST_TIMEOUT_SECONDS": "300"}  # the inspector of a busy machine may wait long for its turn
    settings = {"FOVEA_WORKERS": "2", "FOVEA_PROVIDER": "cpu", **patient, **given}
    command = [sys.executable, "-m", "service", "serve", "--port", str(port), "--models", str(folder)]
    with subprocess.Popen(command, env={**os.environ, **settings}, stderr=subprocess.PIPE) as process:  # noqa: S603
        service = Served(process, f"http://127.0.0.1:{port}", folder)
        until(lambda: _is_ready(service))
        yield service
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=60)


def _is_ready(service: Served) -> bool:
    try:
        return service.ask("GET", "/health/ready").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def test_two_workers_answer_on_one_port_and_count_together(served: Served) -> None:
    assert len(served.children()) == 2
    for _ in range(30):
        assert served.classified() == 200
    assert served.everywhere(lambda: served.metric("fovea_images_total", model="grey") == 30, times=20)
    assert served.everywhere(lambda: served.metric("fovea_workers") == 2, times=20)
    (stats,) = served.ask("GET", "/v2/models/grey/stats").json()["model_stats"]
    assert (stats["inference_count"], stats["inference_stats"]["success"]["count"]) == (30, 30)


def test_live_statistics_are_of_all_workers_whichever_is_asked(served: Served) -> None:
    url = "/v1/models/grey/live-statistics"

    def offered() -> list[int]:
        found = served.ask("GET", url).json()
        # A busy inspector lets images go, or is not asked in time, and says so.
        images = found["images"] + found["dropped"] + found["failed"]
        return [images, found["workers_asked"], found["workers"]]

    for _ in range(30):
        assert served.classified() == 200
    until(lambda: offered() == [30, 2, 2])
    assert served.everywhere(lambda: offered() == [30, 2, 2])
    assert served.ask("GET", url).json()["images"] > 0


def test_a_new_file_is_tried_by_one_worker_for_all(tmp_path: Path) -> None:
    with started(tmp_path, FOVEA_POLL_SECONDS="0.1") as served:

        def is_seen() -> bool:
            answer = served.ask("GET", "/v1/models/endless")
            return answer.status_code == 200 and answer.json()["versions"][0]["state"] == "loading"

        def trials() -> int:
            running = [Path(f"/proc/{one}/cmdline") for worker in served.children() for one in children(worker)]
            return sum(b"service.engine.trial" in path.read_bytes() for path in running if path.exists())

        put(tmp_path, "endless", tiny_models.counting(2**62))
        until(lambda: served.everywhere(is_seen))
        until(lambda: trials() == 1)
        for _ in range(20):
            time.sleep(0.1)
            assert trials() == 1


def test_what_one_worker_is_told_all_do(served: Served) -> None:
    path = "/v1/models/grey/versions/1"
    assert served.ask("POST", f"{path}/unload", headers=AUTHORIZED).status_code == 200
    assert served.everywhere(lambda: served.classified() == 503)
    assert served.ask("POST", f"{path}/load", headers=AUTHORIZED).status_code == 200
    assert served.everywhere(lambda: served.classified() == 200)
    assert served.ask("POST", "/v2/repository/models/grey/unload", headers=AUTHORIZED).status_code == 200
    assert served.everywhere(lambda: served.classified() == 503)


def test_a_quota_is_one_for_all_workers(tmp_path: Path) -> None:
    with started(tmp_path, FOVEA_QUOTA_PER_SECOND="0.0001", FOVEA_QUOTA_BURST="30") as served:
        statuses = [served.classified() for _ in range(60)]
    assert statuses == [200] * 30 + [429] * 30


def test_all_workers_log_each_request_once_and_nothing_but_json(tmp_path: Path) -> None:
    with started(tmp_path) as served:
        until(lambda: all(served.metric("fovea_workers") == 2 for _ in range(10)))
        ids = [f"request-{number}" for number in range(40)]
        for one in ids:
            assert served.ask("POST", URL, content=PICTURE, headers={"X-Request-ID": one}).status_code == 200
        served.process.terminate()
        _, log = served.process.communicate(timeout=60)
    lines = [json.loads(line) for line in log.splitlines()]
    found = [line["request_id"] for line in lines if line.get("request_id", "").startswith("request-")]
    assert sorted(found) == sorted(ids)
    assert any(line["message"] == "grey version 1 is ready" and line["model"] == "grey" for line in lines)


def test_orders_reach_all_workers_where_every_question_wants_a_token(tmp_path: Path) -> None:
    tokens = {"FOVEA_INFERENCE_TOKENS": "a-token-to-ask-with", "FOVEA_MANAGEMENT_TOKENS": TOKEN}
    with started(tmp_path, **tokens) as served:
        answer = served.ask("POST", "/v1/models/grey/versions/1/unload", headers=AUTHORIZED)
        assert answer.status_code == 200
        asking = {"Authorization": "Bearer a-token-to-ask-with"}
        assert served.everywhere(
            lambda: served.ask("POST", URL, content=PICTURE, headers=asking).status_code == 503, times=20
        )
        assert served.everywhere(lambda: served.classified() == 401, times=20)


def test_a_worker_that_is_killed_is_started_again_and_what_it_counted_stays(served: Served) -> None:
    for _ in range(10):
        served.classified()
    before = served.children()
    os.kill(min(before), signal.SIGKILL)
    until(lambda: len(served.children() - before) == 1 and _is_ready(served))
    assert max(before) in served.children()
    assert served.everywhere(lambda: served.classified() == 200)
    assert served.metric("fovea_images_total", model="grey") == 50
    assert served.everywhere(lambda: served.metric("fovea_worker_restarts_total") == 1, times=20)
    statistics = "/v1/models/grey/live-statistics"
    assert served.everywhere(lambda: served.ask("GET", statistics).json()["workers_asked"] == 2, times=20)


@pytest.mark.parametrize("asked", [("GET", "/health/live", b""), ("POST", URL, PICTURE)])
def test_who_takes_a_dead_workers_place_gets_its_share_of_the_connections(
    tmp_path: Path, asked: tuple[str, str, bytes]
) -> None:
    """Also of those that clients keep."""
    with started(tmp_path, FOVEA_KEEP_ALIVE_SECONDS="600") as served, ExitStack() as stack:
        clients = [stack.enter_context(closing(_client(served))) for _ in range(60)]
        assert {_status(one, asked) for one in clients} == {200}
        killed, other = sorted(served.children())
        os.kill(killed, signal.SIGKILL)
        until(lambda: len(served.children() - {killed, other}) == 1 and _is_ready(served))
        clients = [one for one in clients if one.sock and not _is_cut(one.sock)]
        (new,) = served.children() - {other}
        most = 1.1 * len(clients) / 2 + 2
        assert len(clients) > most

        def is_shared() -> bool:
            assert {_status(one, asked) for one in clients} == {200}
            return max(map(_connections, (new, other))) <= most

        until(is_shared)


def _client(served: Served) -> http.client.HTTPConnection:
    """It keeps its connection, and makes a new one when it asks after the service has ended it."""
    return http.client.HTTPConnection(served.address.removeprefix("http://"), timeout=60)


def _status(client: http.client.HTTPConnection, asked: tuple[str, str, bytes]) -> int:
    method, path, content = asked
    client.request(method, path, content)
    answer = client.getresponse()
    answer.read()
    return answer.status


def _is_cut(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True
    finally:
        connection.settimeout(60)


def _connections(worker: int) -> int:
    """Those of clients, over TCP."""
    lines = [line.split() for line in Path(f"/proc/{worker}/net/tcp").read_text().splitlines()[1:]]
    established = {line[9] for line in lines if line[3] == "01"}
    found = 0
    for one in Path(f"/proc/{worker}/fd").iterdir():
        with suppress(OSError):
            found += str(one.readlink()).removeprefix("socket:[").removesuffix("]") in established
    return found


def test_a_worker_keeps_nobody_elses_socket_open(served: Served) -> None:
    """It would be heard by nobody once that worker has ended."""
    for child in served.children():
        held = {str(one.readlink()) for one in Path(f"/proc/{child}/fd").iterdir() if one.exists()}
        network = Path(f"/proc/{child}/net/tcp").read_text().splitlines()[1:]
        listening = {f"socket:[{line.split()[9]}]" for line in network if line.split()[3] == "0A"}
        own = {line.split()[6] for line in Path(f"/proc/{child}/net/unix").read_text().splitlines() if ".sock" in line}
        assert len(held & listening) == 1
        assert len(held & {f"socket:[{inode}]" for inode in own}) == 1


def test_the_service_stops_as_asked_with_exit_code_0(served: Served) -> None:
    children = served.children()
    served.process.terminate()
    _, log = served.process.communicate(timeout=60)
    assert served.process.returncode == 0, log.decode()
    lines = [json.loads(line) for line in log.splitlines()]
    # Whether it is ready was asked from the start on, and "not yet" is a warning.
    assert {line["level"] for line in lines if line.get("route") != "/health/ready"} == {"info"}
    assert not any(Path(f"/proc/{child}").exists() for child in children)


def test_workers_end_when_their_parent_is_killed(served: Served) -> None:
    children = served.children()
    served.process.kill()
    served.process.wait()
    until(lambda: all(_has_ended(child) for child in children))


def _has_ended(process: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return True


def test_a_port_that_is_taken_is_said_in_one_line_also_by_another_service_like_this(
    served: Served, tmp_path: Path
) -> None:
    address = served.address.removeprefix("http://")
    command = [sys.executable, "-m", "service", "serve", "--port", address.split(":")[1], "--models", str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    assert found.returncode == 1
    assert f"port_unavailable: {address} cannot be listened on: Address already in use" in found.stderr
    assert "Traceback" not in found.stderr


def test_an_interrupt_from_the_keyboard_stops_it_as_well(served: Served) -> None:
    group = os.getpgid(served.process.pid)  # a terminal interrupts all of it
    assert all(os.getpgid(child) != group for child in served.children())
    served.process.send_signal(signal.SIGINT)
    _, log = served.process.communicate(timeout=60)
    assert served.process.returncode == 0, log.decode()
    assert b"Traceback" not in log


@pytest.mark.parametrize("count", [1, 3])
def test_sockets_of_one_service_share_a_free_port(count: int) -> None:
    sockets = listening_sockets("127.0.0.1", 0, count)
    try:
        assert len(sockets) == count
        assert len({one.getsockname() for one in sockets}) == 1
    finally:
        for one in sockets:
            one.close()


def test_tiny_networks_get_a_process_for_each_cpu_and_large_ones_one_for_all(tmp_path: Path) -> None:
    put(tmp_path, "tiny", tiny_models.classifier())
    settings = Settings(models=tmp_path, provider="cpu")
    assert workers(settings)[0] == min(len(os.sched_getaffinity(0)), 8)
    with (tmp_path / "large.onnx").open("wb") as large:
        large.truncate(20 * 2**20)
    assert workers(settings) == (1, "the model files have 20 MiB, so one process runs them on all CPUs")
    assert workers(Settings(models=tmp_path, workers=3)) == (3, "as asked for")
