"""Whether anybody still waits for the answer that is being worked on. Knows neither questions nor answers.

Work with many passes calls `check` between them; a run of ONNX Runtime is given `run_options`, so that it stops inside.
What only waits for others does so `waiting`, and looks every `LOOKS_SECONDS`.
"""

from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Event
from typing import Any, TypeVar

from onnxruntime import RunOptions

LOOKS_SECONDS = 0.1

Result = TypeVar("Result")


class StoppedError(Exception):
    """Nobody waits for the answer any more."""


@dataclass(frozen=True, eq=False)
class Stop:
    """The way to stop one piece of work from another thread; it may be used once.

    `waits`: work that only waits for others now does nothing more once it is stopped, whenever it gets the CPU.
    """

    asked: Event = field(default_factory=Event)
    options: RunOptions = field(default_factory=RunOptions)
    waits: Event = field(default_factory=Event)

    def __call__(self) -> None:
        self.asked.set()
        self.options.terminate = True


_NEVER = Stop()
current: ContextVar[Stop] = ContextVar("current", default=_NEVER)


def check() -> None:
    """Raises StoppedError where this thread's work is no longer wanted."""
    if current.get().asked.is_set():
        raise StoppedError


@contextmanager
def waiting() -> Iterator[None]:
    """Around waiting for others, which looks with `check`. Raises StoppedError behind it as `check` does."""
    check()
    stop = current.get()
    stop.waits.set()
    try:
        yield
    finally:
        stop.waits.clear()
    check()


def acquire(lock: Any) -> None:
    """A lock that somebody else gives back. Raises as `awaited`."""
    with waiting():
        while not lock.acquire(timeout=LOOKS_SECONDS):
            check()


def awaited(future: Future[Result]) -> Result:
    """What somebody else makes. Raises StoppedError where this thread's work is no longer wanted before it is there."""
    with waiting():
        while not wait([future], LOOKS_SECONDS).done:
            check()
    return future.result()


def run_options() -> RunOptions:
    """For every `session.run` of this thread's work: a stop ends the run between two nodes."""
    return current.get().options
