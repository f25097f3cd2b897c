"""Ends one of a service's processes as the kernel would, and waits until another has its place."""

import os
import select
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import children, family
from benchmarks.reliability.serving import READY
from benchmarks.server import Server, ready


@dataclass(frozen=True)
class Kill:
    """What became of a process.

    `gone` (`time.perf_counter`): the kernel had closed its sockets, to which requests may be sent until then.
    `replaced`: seconds until another had its place and all said that they were ready; None where that took too long.
    """

    gone: float
    replaced: float | None


def kill_youngest(server: Server, seconds: float = 60.0) -> Kill:
    """SIGKILL for the worker started last; waits so many seconds for another.

    The oldest worker lives as long as the service.
    """
    before, began = set(children(server.process.pid)), time.monotonic()
    victim = max(before, key=_started)
    gone = _killed(victim)
    while time.monotonic() < began + seconds:
        if len(set(children(server.process.pid)) - {victim}) == len(before) and ready(server.port, READY):
            return Kill(gone, time.monotonic() - began)
        time.sleep(0.01)
    return Kill(gone, None)


def _killed(pid: int) -> float:
    """When it was gone: a pidfd can be read once the last of its threads has ended, with all that they had open."""
    descriptor = os.pidfd_open(pid)
    try:
        os.kill(pid, signal.SIGKILL)
        select.select([descriptor], [], [])
        return time.perf_counter()
    finally:
        os.close(descriptor)


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
