"""What an executor works with: a loaded network, and its turn to run it. Knows neither queues nor ONNX."""

import threading
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from service.arrays import InputBatch, Scores
from service.engine.costs import Costs


class StoppedError(Exception):
    """The turn was stopped from outside: nothing is known about its images, so nobody divides the batch for it."""


class Turn:
    """Given to whoever runs a batch. `executor` counts from 0. Thread-safe.

    `alone`: when it began nothing else ran or waited, so it may use what the other executors leave.
    """

    def __init__(self, executor: int = 0, *, alone: bool = False) -> None:
        self.executor = executor
        self.alone = alone
        self.stopped = False
        self._stop: Callable[[], None] | None = None
        self._changing = threading.Lock()

    def on_stop(self, stop: Callable[[], None]) -> None:
        """`stop` is called once nobody waits for this run any more; at once where that is so already."""
        with self._changing:
            self._stop = stop
            if self.stopped:
                stop()

    def stop(self) -> None:
        """Ends the run as soon as its runtime can."""
        with self._changing:
            self.stopped = True
            if self._stop is not None:
                self._stop()


@runtime_checkable
class Network(Protocol):
    """One loaded version of a model; the same version loaded from two files is two networks."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def costs(self) -> Costs: ...
    def scores(self, batch: InputBatch, turn: Turn) -> Scores:
        """One row per image. `turn.on_stop` is told how to end the run early."""
        ...
