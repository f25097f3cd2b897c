"""Counts what clients get over HTTP, by the template of the route.

Never a label that a client chose: methods, routes and statuses are those the service has.
"""

from collections.abc import Mapping
from typing import cast

from service.engine.cells import NOW, Cells
from service.engine.durations import CELLS, Durations, durations, observe

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

Answered = tuple[str, str, int]  # method, template of the route, status


class HttpCounts:
    """Thread-safe, and right with all processes that share `cells`. One request costs about 2 µs."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        self._answers = cells.table("http", CELLS)
        self._refusals = cells.table("refusal", 1)
        self._service = cells.table("service", 0)

    def began(self) -> None:
        """A request is there; `answered` must follow."""
        with self._cells.lock:
            self._service["in flight"][0] += 1

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request that has its answer, `seconds` after it began. `route` is a template, never a client's path."""
        with self._cells.lock:
            self._service["in flight"][0] -= 1
            key = (method if method in METHODS else "other", route, status)
            observe(self._answers[key], NOW, seconds)

    def refused(self, code: str) -> None:
        """One answer was a problem with this stable code."""
        with self._cells.lock:
            self._refusals[code][NOW] += 1

    def in_flight(self) -> int:
        return sum(int(cells[0]) for cells in self._cells.sums("service").values())

    def answers(self) -> Mapping[Answered, Durations]:
        sums = self._cells.sums("http")
        return {cast("Answered", key): durations(cells, NOW) for key, cells in sums.items()}

    def refusals(self) -> Mapping[str, int]:
        return {str(code): int(cells[NOW]) for code, cells in self._cells.sums("refusal").items()}
