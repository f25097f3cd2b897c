"""Ends one of a service's processes as the kernel would, and waits until another has its place."""

import os
import signal
import time
from pathlib import Path

from benchmarks.processes import children, family
from benchmarks.reliability.serving import READY
from benchmarks.server import Server, ready


def kill_youngest(server: Server, seconds: float = 60.0) -> float | None:
    """SIGKILL for the worker started last: how long until its place is taken and all say that they are ready.

    None where that takes more than so many seconds. The oldest worker lives as long as the service.
    """
    before, began = set(children(server.process.pid)), time.monotonic()
    victim = max(before, key=_started)
    os.kill(victim, signal.SIGKILL)
    while time.monotonic() < began + seconds:
        if len(set(children(server.process.pid)) - {victim}) == len(before) and ready(server.port, READY):
            return time.monotonic() - began
        time.sleep(0.01)
    return None


def _started(pid: int) -> int:
    """In ticks since the machine's start."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def inspectors(server: Server) -> list[int]:
    """The processes that answer questions about the inside, one for each worker that was asked one."""
    return [pid for pid in family(server.process.pid) if b"service.inspector.process" in _command(pid)]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
