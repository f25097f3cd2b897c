"""Networks that tests of the engine hold back, so that what waits is known exactly."""

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest

from service.arrays import InputBatch, Scores
from service.engine.costs import Costs
from service.engine.turn import StoppedError

if TYPE_CHECKING:
    from service.engine.turn import Turn


class Gate:
    """A network that answers when it is opened, and remembers the batches it was given.

    A negative pixel cannot be run. Whoever stops a run opens it with an error.
    """

    def __init__(self, name: str = "gate", costs: Costs | None = None) -> None:
        self.name, self.version = name, 1
        self.costs = costs or Costs({1: 0.001, 4: 0.002})
        self.open = threading.Event()
        self.entered = threading.Event()
        self.batches: list[list[float]] = []
        self.executors: list[int] = []
        self.alone: list[bool] = []
        self.stops = 0

    def scores(self, batch: InputBatch, turn: "Turn") -> Scores:
        self.batches.append(batch[:, 0, 0, 0].tolist())
        self.executors.append(turn.executor)
        self.alone.append(turn.alone)
        turn.on_stop(self._stop)
        self.entered.set()
        self.open.wait()
        if turn.stopped:
            raise StoppedError
        if (batch < 0).any():
            raise ValueError("a negative pixel")
        return batch[:, 0, 0, :2].astype(np.float32)

    def _stop(self) -> None:
        self.stops += 1
        self.open.set()


def images(*values: float) -> InputBatch:
    return np.stack([np.full((1, 2, 2), value, np.float32) for value in values])


@pytest.fixture
def gates() -> Iterator[Callable[..., Gate]]:
    """Makes gates, and opens all of them in the end."""
    made: list[Gate] = []

    def gate(name: str = "gate", costs: Costs | None = None) -> Gate:
        made.append(Gate(name, costs))
        return made[-1]

    yield gate
    for one in made:
        one.open.set()
