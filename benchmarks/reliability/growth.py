"""Whether what a service holds grows: the one judge of the soak, of the memory scenario, and of what leaks on purpose.

Only processes that lived through the whole run are judged: what a killed one held is gone whatever it leaked.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.reliability.figures import Figure, at_most
from benchmarks.reliability.sampling import Held, Sample

WARM_UP = 0.2  # of the samples: what fills caches and arenas once
# The least of each counts: an image of 25 million pixels takes 400 MiB for a second, and hundreds of connections are
# descriptors while a worker is started again. What leaks is there at the quietest moment too.
_WINDOWS = 20
LEAK_KIB = 0.3  # a request
# 24 hours at 50 requests a second, in which 200 MiB may be lost.
DAY_REQUESTS = 24 * 3600 * 50
DAY_MIB = 200.0
DESCRIPTORS, THREADS, FILES = 5.0, 2.0, 0.5  # from the end of the warm-up to the end of the run


@dataclass(frozen=True)
class Growth:
    """Least-squares slopes over the run: memory a request that such a process answered, the others over the whole."""

    kib_a_request: float
    descriptors: float
    threads: float
    files: float
    memory_mib: tuple[float, float]

    @property
    def mib_a_day(self) -> float:
        return self.kib_a_request * DAY_REQUESTS / 1024

    @property
    def leaks(self) -> tuple[str, ...]:
        """What grows more than it may."""
        limits = {
            "memory": self.kib_a_request > LEAK_KIB,
            "descriptors": self.descriptors > DESCRIPTORS,
            "threads": self.threads > THREADS,
            "files": self.files > FILES,
        }
        return tuple(name for name, exceeded in limits.items() if exceeded)


def growth(samples: Sequence[Sample], workers: int = 1) -> Growth:
    """`workers` answered the samples' requests in equal parts. Raises ValueError where no process lived throughout."""
    warm = list(samples[int(WARM_UP * len(samples)) :])
    survivors = set.intersection(*(set(sample.held) for sample in warm))
    if not survivors:
        raise ValueError("no process lived through the whole run")

    def of_survivors(what: Callable[[Held], float]) -> list[float]:
        return [sum(what(sample.held[pid]) for pid in survivors) for sample in warm]

    seconds = [sample.seconds for sample in warm]
    span = seconds[-1] - seconds[0]
    resident = of_survivors(lambda held: held.resident_kib)
    return Growth(
        kib_a_request=slope(*_floors([sample.requests / workers for sample in warm], resident)),
        descriptors=span * slope(*_floors(seconds, of_survivors(lambda held: held.descriptors))),
        threads=span * slope(*_floors(seconds, of_survivors(lambda held: held.threads))),
        files=span * slope(*_floors(seconds, [sample.temporary_files for sample in warm])),
        memory_mib=(resident[0] / 1024, resident[-1] / 1024),
    )


def _floors(at: Sequence[float], values: Sequence[float]) -> tuple[list[float], list[float]]:
    """The least value of each window, and where it was."""
    width = max(1, len(values) // _WINDOWS)
    least = [
        min(range(start, min(start + width, len(values))), key=values.__getitem__)
        for start in range(0, len(values), width)
    ]
    return [at[place] for place in least], [values[place] for place in least]


def slope(at: Sequence[float], values: Sequence[float]) -> float:
    """Of the least-squares line; 0 where all is at one place."""
    x, y = np.asarray(at, float), np.asarray(values, float)
    spread = ((x - x.mean()) ** 2).sum()
    return float(((x - x.mean()) * (y - y.mean())).sum() / spread) if spread else 0.0


def figures(promise: int, found: Growth) -> list[Figure]:
    first, last = found.memory_mib
    return [
        at_most(promise, "memory a request, slope", LEAK_KIB, found.kib_a_request, " KiB"),
        Figure(promise, "memory after the warm-up and at the end", "", f"{first:,.0f} MiB, {last:,.0f} MiB"),
        at_most(promise, "file descriptors, slope over the run", DESCRIPTORS, found.descriptors),
        at_most(promise, "threads, slope over the run", THREADS, found.threads),
        at_most(promise, "temporary files, slope over the run", FILES, found.files),
    ]


def caught(promise: int, found: Growth) -> Figure:
    """The control: a service that leaks on purpose has to be seen leaking."""
    leaks = ", ".join(found.leaks) or "nothing"
    return Figure(
        promise,
        "a service that leaks 1 KiB a request, descriptors, threads and files is caught by the same judge",
        "memory, descriptors, threads, files",
        f"{leaks} ({found.kib_a_request:.2f} KiB a request)",
        held=found.leaks == ("memory", "descriptors", "threads", "files"),
    )
