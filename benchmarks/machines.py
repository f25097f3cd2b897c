"""Machines of a Ray cluster as groups of processes on this one: started, given the service, killed like a lost machine.

Speaks to Ray by its commands only, as an operator does.
"""

import http.client
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.environments import ROOT
from benchmarks.processes import family

_BIN = Path(sys.executable).parent
_OBJECT_STORE_BYTES = 100_000_000
_START_SECONDS = 1500
_TRIES = 5
# A busy machine is no failure: Serve gives its proxy 5 s to start and 10 s to say that it is well.
# And the service has workers of an ordinary priority too, not of niceness 15: else they could not be compared.
_PATIENCE = {
    "RAY_worker_niceness": "0",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
    "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "60",
}
_HEAD = "127.0.0.2"  # every machine has an address of its own; Ray replaces 127.0.0.1 by that of the network's card


@dataclass
class Machines:
    """The first machine holds the cluster's head and the proxy that answers on `port`."""

    folder: Path
    head: int
    port: int
    token: str = field(default_factory=lambda: secrets.token_hex(32))
    started: int = 0
    running: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    def add(self, cpus: int) -> "subprocess.Popen[bytes]":
        """One more machine of so many CPUs; the first becomes the head. Returns once it belongs to the cluster.

        Tries again where Ray finds the start too slow, for which it gives a machine 30 seconds.
        """
        for _ in range(_TRIES - 1):
            with suppress(RuntimeError):
                return self._add(cpus)
        return self._add(cpus)

    def _add(self, cpus: int) -> "subprocess.Popen[bytes]":
        place = [f"--address={_HEAD}:{self.head}"]
        if not self.running:
            place = ["--head", f"--port={self.head}", "--include-dashboard=false", f"--temp-dir={self.folder}"]
        options = [f"--num-cpus={cpus}", f"--object-store-memory={_OBJECT_STORE_BYTES}"]
        options += [f"--node-ip-address={f'127.0.0.{self.started + 2}' if self.running else _HEAD}"]
        self.started += 1
        written = self.folder / f"machine-{self.started}.log"
        with written.open("wb") as log:
            machine = subprocess.Popen(  # noqa: S603
                [_BIN / "ray", "start", *place, *options, "--block"],
                env=self._environment({}),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.running.append(machine)
        try:
            _wait_for("Ray runtime started", written, machine)
        except RuntimeError:
            self.lose(machine)
            raise
        return machine

    def start_serving(self) -> None:
        """The proxy, on the first machine alone: it stays when another one is lost."""
        options = ["--http-host=127.0.0.1", f"--http-port={self.port}", "--proxy-location=HeadOnly"]
        for _ in range(_TRIES - 1):
            with suppress(RuntimeError):  # the proxy has 60 s, and goes on to start after that
                return self._told("serve", "start", *options)
        return self._told("serve", "start", *options)

    def deploy(self, settings: dict[str, str], **scale: int) -> None:
        """The service with these settings, in place of what is there; returns once its replicas answer."""
        arguments = [f"{name}={value}" for name, value in scale.items()]
        self._told("serve", "run", "--non-blocking", "service.cluster:app", *arguments, settings=settings)

    def lose(self, machine: "subprocess.Popen[bytes]") -> None:
        """Every process of the machine at once, without a word to anybody."""
        processes = family(machine.pid) if machine.poll() is None else []
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.killpg(machine.pid, signal.SIGKILL)  # what a machine that did not start has left
        machine.wait()
        self.running.remove(machine)

    def get(self, path: str) -> tuple[int, bytes]:
        return self.ask("GET", path)

    def ask(self, method: str, path: str, body: bytes | None = None, seconds: float = 60) -> tuple[int, bytes]:
        """Status and body of one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _told(self, command: str, *arguments: str, settings: dict[str, str] | None = None) -> None:
        done = subprocess.run(  # noqa: S603
            [_BIN / command, *arguments],
            cwd=ROOT,
            env=self._environment(settings or {}),
            capture_output=True,
            text=True,
            timeout=_START_SECONDS,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{command} {' '.join(arguments)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")

    def _environment(self, settings: dict[str, str]) -> dict[str, str]:
        address = {"RAY_ADDRESS": f"{_HEAD}:{self.head}"} if self.running else {}
        own = {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token}
        return {**os.environ, **own, **_PATIENCE, **token, **address, **settings}


@contextmanager
def machines(*cpus: int) -> Iterator[Machines]:
    """A cluster of machines with so many CPUs each, which serves nothing yet; its processes end with the block."""
    folder = Path(tempfile.mkdtemp(prefix="fovea-ray-", dir="/tmp"))  # a socket's path is short
    cluster = Machines(folder, _free_port(), _free_port())
    try:
        for count in cpus:
            cluster.add(count)
        cluster.start_serving()
        yield cluster
    finally:
        for machine in list(cluster.running)[::-1]:
            cluster.lose(machine)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(words: str, log: Path, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + _START_SECONDS
    while words not in (told := log.read_text(errors="replace")):
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"the machine does not start:\n{told[-4000:]}")
        time.sleep(0.05)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
