"""One system's processes: started, waited for, asked once whether it answers right, stopped. Measures nothing."""

import http.client
import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.environments import ROOT
from benchmarks.pictures import Form, Picture

_START_SECONDS = 120
_STOP_SECONDS = 15
# A system of several processes is ready when each is; fresh connections are spread over them.
_READY_ANSWERS = 8


@dataclass(frozen=True)
class System:
    """How a system is started and asked. `{port}` in the command becomes a free one."""

    name: str
    command: tuple[str, ...]
    variables: dict[str, str]
    paths: dict[str, str]
    ready: str = "/health"


@dataclass(frozen=True)
class Server:
    """A system that answers; `ready_at` (monotonic seconds) is when it began to. `log` is what it has written."""

    system: System
    port: int
    process: subprocess.Popen[bytes]
    ready_at: float
    log: Path

    def url(self, form: Form) -> str:
        return f"http://127.0.0.1:{self.port}{self.system.paths[form.name]}"

    def answer(self, picture: Picture, form: Form) -> list[dict[str, object]]:
        """One entry per image, each with `predictions`; raises where the status is not 200."""
        status, body = self.post(self.system.paths[form.name], picture.body(form), picture.header(form))
        if status != http.client.OK:
            raise RuntimeError(f"{self.system.name} answers {status}: {body[:300]!r}")
        parsed = json.loads(body)
        results: list[dict[str, object]] = parsed["results"] if isinstance(parsed, dict) else parsed
        return results

    def get(self, path: str) -> Any:
        """The JSON of a 200."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
            return json.load(answer)

    def drain(self, picture: Picture, form: Form) -> None:
        """Returns once what the last load left in the queues is gone: it would be counted against the next one."""
        end, answered = time.monotonic() + _START_SECONDS, 0
        while answered < _READY_ANSWERS:
            status, body = self.post(self.system.paths[form.name], picture.body(form), picture.header(form))
            answered = answered + 1 if status == http.client.OK else 0
            if time.monotonic() > end:
                raise RuntimeError(f"{self.system.name} still answers {status}: {body[:300]!r}")

    def post(self, path: str, body: bytes, content_type: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("POST", path, body, {"Content-Type": content_type})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


@contextmanager
def running(system: System) -> Iterator[Server]:
    """The system on a free port, in a process group of its own, which is ended afterwards."""
    port = _free_port()
    log = Path(os.environ.get("TMPDIR", "/tmp")) / f"fovea-benchmark-{port}.log"  # noqa: S108 - its tail is shown on failure
    command = [part.format(port=port) for part in system.command]
    variables = os.environ | system.variables
    with (
        log.open("wb") as output,
        subprocess.Popen(  # noqa: S603
            command, cwd=ROOT, env=variables, stdout=output, stderr=output, start_new_session=True
        ) as process,
    ):
        try:
            yield Server(system, port, process, _ready_at(system, port, process, log), log)
        finally:
            _stop(process)
            log.unlink(missing_ok=True)


def ready(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _ready_at(system: System, port: int, process: subprocess.Popen[bytes], log: Path) -> float:
    """When the first of as many good answers in a row came as show that every process is ready."""
    end = time.monotonic() + _START_SECONDS
    since: list[float] = []
    while len(since) < _READY_ANSWERS:
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"{system.name} does not start; its last words:\n{log.read_text()[-2000:]}")
        since = [*since, time.monotonic()] if ready(port, system.ready) else []
        if not since:
            time.sleep(0.02)
    return since[0]


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # what the parent left behind


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
