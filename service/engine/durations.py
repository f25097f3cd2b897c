"""Durations as a histogram with fixed bounds, as cells of a record and as figures. Knows not what took so long."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from service.engine.cells import Record

# A tiny network's queue to the request timeout, about 2.3 apart.
BOUNDS = (1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CELLS = 1 + len(BOUNDS) + 1  # the sum, then a count for each bound, then one for what took longer


def observe(record: Record, at: int, seconds: float, times: int = 1) -> None:
    """Counts it in the cells that begin `at`. Costs 0.3 µs."""
    record[at] += seconds * times
    record[at + 1 + bisect_left(BOUNDS, seconds)] += times


@dataclass(frozen=True)
class Durations:
    """How often something happened and how long it took: `counts` for each bound and for what took longer."""

    seconds: float = 0.0
    counts: tuple[int, ...] = (0,) * (len(BOUNDS) + 1)

    @property
    def count(self) -> int:
        return sum(self.counts)

    @property
    def nanoseconds(self) -> int:
        return round(self.seconds * 1e9)


NONE = Durations()


def durations(cells: Sequence[float], at: int) -> Durations:
    """What `observe` counted in the cells that begin `at`."""
    return Durations(cells[at], tuple(map(int, cells[at + 1 : at + CELLS])))
