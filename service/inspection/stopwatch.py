"""How long the phases of one answer took. Knows no phase."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Sums of wall-clock time by phase, in the order of their first use. Of one thread."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[name] += time.perf_counter() - began

    @property
    def milliseconds(self) -> dict[str, float]:
        return {name: 1000 * seconds for name, seconds in self._seconds.items()}
