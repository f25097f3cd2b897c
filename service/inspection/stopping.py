"""Whether anybody still waits for the answer that is being worked on. Knows neither questions nor answers.

Work with many passes calls `check` between them; a run of ONNX Runtime is given `run_options`, so that it stops inside.
"""

from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Event

from onnxruntime import RunOptions


class StoppedError(Exception):
    """Nobody waits for the answer any more."""


@dataclass(frozen=True, eq=False)
class Stop:
    """The way to stop one piece of work from another thread; it may be used once."""

    asked: Event = field(default_factory=Event)
    options: RunOptions = field(default_factory=RunOptions)

    def __call__(self) -> None:
        self.asked.set()
        self.options.terminate = True


_NEVER = Stop()
current: ContextVar[Stop] = ContextVar("current", default=_NEVER)


def check() -> None:
    """Raises StoppedError where this thread's work is no longer wanted."""
    if current.get().asked.is_set():
        raise StoppedError


def run_options() -> RunOptions:
    """For every `session.run` of this thread's work: a stop ends the run between two nodes."""
    return current.get().options
