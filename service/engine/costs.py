"""What a run costs: seconds by number of images, measured at warm-up and learnt from every run since.

Decides how many of the waiting images run now. Knows no queue and no network.
"""

import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence

# Of two sizes that work off as many images a second, the smaller one answers sooner.
_AS_GOOD = 0.95
_WEIGHT_OF_ONE_RUN = 0.1
_WARM_UP_SECONDS = 0.5  # so that a slow network is not warmed for a minute; the sizes left are estimated
_WARM_RUNS = 2
_OUTLIER = 4.0  # times its usual cost: a run that the machine held up says little about the next one


class Costs:
    """A table of batch sizes with the seconds of one run each. Thread-safe: its table is replaced, never changed.

    `padded`: only the sizes of the table are run, others are filled up to the next one (a GPU, whose every new shape
    costs a search or a recording). Else any size runs as it is, and what lies between two sizes is interpolated.
    """

    def __init__(self, seconds: Mapping[int, float], *, padded: bool = False) -> None:
        self._seconds = dict(sorted(seconds.items()))
        self._sizes = list(self._seconds)
        self._pace = self._least = min(value / size for size, value in self._seconds.items())
        self._learnt: frozenset[int] = frozenset()
        self.padded = padded

    @property
    def largest(self) -> int:
        """The most images of one run."""
        return self._sizes[-1]

    def run_size(self, images: int) -> int:
        """The batch size that `images` are run at: the next of the table where they are padded."""
        return self._above(images) if self.padded else images

    def seconds(self, images: int) -> float:
        """Expected time of running `images`, in as many runs as that takes."""
        runs, rest = divmod(images, self.largest)
        return runs * self._seconds[self.largest] + (self._of_one_run(rest) if rest else 0.0)

    def seconds_per_image(self) -> float:
        """What an image costs where many wait: at first as in the best size, then as in the runs there were."""
        return self._pace

    def least_seconds_per_image(self) -> float:
        """The least that an image was seen to cost: what the network takes, however busy the machine is now."""
        return self._least

    def cut(self, waiting: int, first: int = 1) -> int:
        """How many of `waiting` images to run now: what works off most images a second, the fewest of equals.

        Padding to the next size is one of the choices only where it costs less than two smaller runs. Where any size
        is run, the `first` request's images stay together: its caller waits for the last of them.
        """
        together = min(waiting, self.largest)
        sizes = [size for size in self._sizes if size <= together]
        if together not in self._seconds and self._goes_together(together):
            sizes.append(together)
        rates = {size: size / self._of_one_run(size) for size in sizes}
        best = max(rates.values())
        least = 1 if self.padded else min(first, self.largest)
        return max(least, min(size for size, rate in rates.items() if rate >= _AS_GOOD * best))

    def learn(self, images: int, seconds: float) -> None:
        """Moves the table a little towards what a run of `images` just took.

        Sizes of which no run has told yet move along: else a busy machine would make them look ever better than those
        that do run, until one is chosen that is too large for any deadline.
        """
        size = min(self.run_size(images), self.largest)
        ratio = min(seconds / self._of_one_run(size), _OUTLIER)
        factor = 1 + _WEIGHT_OF_ONE_RUN * (ratio - 1)
        self._least = min(self._least, seconds / images)
        self._pace += _WEIGHT_OF_ONE_RUN * (min(seconds / images, _OUTLIER * self._pace) - self._pace)
        touched = {self._above(size), self._below(size)}
        self._seconds = {
            known: old * factor if known in touched or known not in self._learnt else old
            for known, old in self._seconds.items()
        }
        self._learnt |= touched

    def learn_at_least(self, images: int, seconds: float) -> None:
        """A run of `images` was stopped after so long: that teaches something where it should have ended before."""
        if seconds > self.seconds(images):
            self.learn(images, seconds)

    def _goes_together(self, images: int) -> bool:
        if not self.padded:
            return True
        below = self._below(images)
        rest = images - below
        return rest < 0 or self._of_one_run(images) < self._seconds[below] + self._of_one_run(rest)

    def _of_one_run(self, images: int) -> float:
        above = self._above(images)
        below = self._below(images)
        if self.padded or above == below:
            return self._seconds[above]
        share = (images - below) / (above - below)
        return (1 - share) * self._seconds[below] + share * self._seconds[above]

    def _above(self, images: int) -> int:
        return self._sizes[min(bisect_left(self._sizes, images), len(self._sizes) - 1)]

    def _below(self, images: int) -> int:
        return self._sizes[max(bisect_right(self._sizes, images) - 1, 0)]


def doubling(largest: int) -> Iterable[int]:
    """1, 2, 4 ... and `largest` itself: the batch sizes worth measuring."""
    size = 1
    while size < largest:
        yield size
        size *= 2
    yield largest


def _timed(run: Callable[[int], None], size: int) -> float:
    before = time.perf_counter()
    run(size)
    return time.perf_counter() - before


def measured(sizes: Sequence[int], run: Callable[[int], None], *, padded: bool) -> Costs:
    """Costs of each size by running it: once to make it ready, then for the figure, the least of a few.

    Where sizes are padded all are made ready, since others are never run; else it stops after half a second, and
    larger sizes are taken to cost the same for each image.
    """
    seconds: dict[int, float] = {}
    began = time.perf_counter()
    for size in sizes:
        if padded or not seconds or time.perf_counter() - began < _WARM_UP_SECONDS:
            run(size)
            seconds[size] = min(_timed(run, size) for _ in range(_WARM_RUNS))
        else:
            largest = max(seconds)
            seconds[size] = seconds[largest] * size / largest
    return Costs(seconds, padded=padded)
