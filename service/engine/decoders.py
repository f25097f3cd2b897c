"""Threads that decode images: work that never ends costs whoever sent it, and a thread, and nobody else.

A thread cannot be stopped from outside. One that is at the same work for longer than anybody waits for it is given up
and another takes its place. Knows no image.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

MOST_LOST = 8  # each holds its image, up to 420 MiB, and perhaps a CPU: then the process has to be started again

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class UnwantedError(Exception):
    """Nobody waits for the work at hand: its sender has left, or was told that it came too late."""


def check_wanted() -> None:
    """Between two pieces of work in a decoder's thread: raises UnwantedError once nobody waits for it."""
    thread = threading.current_thread()
    if isinstance(thread, _Decoder) and thread.is_unwanted():
        raise UnwantedError


class Decoders(Executor):
    """Thread-safe. `seconds`: after so long nobody waits for a piece of work any more."""

    def __init__(self, threads: int, seconds: float) -> None:
        self._count, self._seconds = threads, seconds
        self._work: SimpleQueue[_Work | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads: list[_Decoder] = []
        self._lost: list[_Decoder] = []
        self._renew()

    @property
    def lost(self) -> int:
        """Threads that are at work which nobody waits for, and may never end."""
        with self._lock:
            self._renew()
            return len(self._lost)

    @property
    def problem(self) -> str | None:
        """Why nothing can be decoded any more."""
        lost = self.lost
        return f"{lost} images are decoded without end: start the service again" if lost >= MOST_LOST else None

    def submit(
        self, work: Callable[Arguments, Result], /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> "Future[Result]":
        answer: _Answer[Result] = _Answer()
        with self._lock:
            self._renew()
            self._work.put(_Work(answer, lambda: work(*args, **kwargs)))
        return answer

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002 - of Executor
        """Ends the threads once their work is done; waits for none: the lost ones never end."""
        for _ in self._threads:
            self._work.put(None)

    def _renew(self) -> None:
        """Another thread for each that is lost; one that came back after all has ended."""
        now = time.monotonic()
        late = [thread for thread in self._threads if thread.is_late(now - self._seconds)]
        self._threads = [thread for thread in self._threads if thread not in late]
        self._lost = [thread for thread in (*self._lost, *late) if thread.is_alive()]
        while len(self._threads) < self._count and len(self._lost) < MOST_LOST:
            self._threads.append(_Decoder(self._work))


class _Answer(Future[Result]):
    """Knows also while it is worked on that nobody waits for it: then it cannot be cancelled any more."""

    is_unwanted = False

    def cancel(self) -> bool:
        self.is_unwanted = True
        return super().cancel()


class _Work:
    def __init__(self, answer: _Answer[Any], run: Callable[[], Any]) -> None:
        self.answer, self._run = answer, run

    def do(self) -> None:
        """Nothing where the caller has left meanwhile."""
        if not self.answer.set_running_or_notify_cancel():
            return
        try:
            self.answer.set_result(self._run())
        except BaseException as error:  # noqa: BLE001 - whatever it is belongs to the caller
            self.answer.set_exception(error)


class _Decoder(threading.Thread):
    """A daemon: the process can end although this does not."""

    def __init__(self, work: "SimpleQueue[_Work | None]") -> None:
        super().__init__(name="decoder", daemon=True)
        self._work = work
        self._began: float | None = None
        self._answer: _Answer[Any] | None = None
        self._given_up = False
        self.start()

    def run(self) -> None:
        while not self._given_up and (work := self._work.get()) is not None:
            self._began, self._answer = time.monotonic(), work.answer
            work.do()
            self._began = self._answer = None
            del work  # else an idle thread keeps the last image

    def is_unwanted(self) -> bool:
        return self._answer is not None and self._answer.is_unwanted

    def is_late(self, before: float) -> bool:
        """Whether it is at work that it began before then; from then on it takes no other."""
        began = self._began
        self._given_up = began is not None and began < before
        return self._given_up
