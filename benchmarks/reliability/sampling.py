"""What a service's processes hold while a scenario runs: memory, descriptors, threads, temporary files. Linux only.

Trials of model files come and go by design and are left out.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import family

_TRIAL = b"service.engine.trial"
_GONE = (FileNotFoundError, ProcessLookupError, PermissionError)


@dataclass(frozen=True)
class Held:
    """By one process; `resident_kib` counts pages that it shares as well."""

    resident_kib: float
    descriptors: int
    threads: int


@dataclass(frozen=True)
class Sample:
    """`requests`: how many had been answered by then. `held` by process id."""

    seconds: float
    requests: int
    held: dict[int, Held]
    temporary_files: int

    def resident_mib(self) -> float:
        return sum(one.resident_kib for one in self.held.values()) / 1024


def sample(pid: int, folder: Path, requests: int = 0, began: float = 0.0) -> Sample:
    """Of the process and its descendants, whose temporary files lie in `folder`."""
    held = {member: found for member in family(pid) if (found := _held(member)) is not None}
    return Sample(time.monotonic() - began, requests, held, sum(1 for _ in folder.rglob("*")))


@contextmanager
def sampled(
    pid: int, folder: Path, requests: Callable[[], int] = lambda: 0, seconds: float = 0.5
) -> Iterator[list[Sample]]:
    """A sample every so many seconds, by a thread, until the block is left."""
    samples: list[Sample] = []
    stop, began = threading.Event(), time.monotonic()

    def follow() -> None:
        while not stop.is_set():
            samples.append(sample(pid, folder, requests(), began))
            stop.wait(seconds)

    thread = threading.Thread(target=follow, name="sampler", daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        stop.set()
        thread.join()


def settled(pid: int, folder: Path, seconds: float = 10.0) -> Sample:
    """The last of the samples that are taken for so long: what goes away by itself is gone."""
    with sampled(pid, folder) as samples:
        time.sleep(seconds)
    return samples[-1]


def _held(pid: int) -> Held | None:
    """None for a trial, and for a process that has ended meanwhile."""
    process = Path(f"/proc/{pid}")
    with suppress(*_GONE):
        if _TRIAL in process.joinpath("cmdline").read_bytes():
            return None
        status = dict(line.split(":", 1) for line in process.joinpath("status").read_text().splitlines())
        descriptors = sum(1 for _ in process.joinpath("fd").iterdir())
        if "VmRSS" in status:  # an ended process that nobody waited for has none
            return Held(float(status["VmRSS"].split()[0]), descriptors, int(status["Threads"]))
    return None
