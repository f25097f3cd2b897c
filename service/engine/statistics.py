"""Running totals of what ran, per lane: how many, how long, in batches of which size, and what got no answer and why.

Counts only: knows neither the scheduler that feeds it nor the protocols that show it. Counted are the processes that
share the cells, together.
"""

import time
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast, get_args

from service.engine.cells import NOW, Cells, summed
from service.engine.durations import CELLS, NONE, Durations, durations, observe

Reason = Literal["overloaded", "expired", "abandoned", "error"]

Live = Literal["seen", "dropped", "failed"]

REASONS: tuple[Reason, ...] = get_args(Reason)
LIVE: tuple[Live, ...] = get_args(Live)

# A lane's record. Of these three each process has its own, and only while it lives:
_WAITING_REQUESTS, _WAITING_IMAGES, _READY = range(NOW)
_LAST_RUN = NOW
_FAILURES = {reason: NOW + 1 + 2 * number for number, reason in enumerate(REASONS)}
_DECODE = NOW + 1 + 2 * len(REASONS)
_QUEUE = _DECODE + CELLS
_INFERENCE = _QUEUE + CELLS
_WIDTH = _INFERENCE + CELLS - NOW

_COUNT, _SECONDS = NOW, NOW + 1  # of most others
_DRIFTED, _JUDGED = range(2)  # of a layer's: of each process that lives


@dataclass(frozen=True)
class Total:
    """How often something happened, and the sum of its durations."""

    count: int = 0
    seconds: float = 0.0

    @property
    def nanoseconds(self) -> int:
        return round(self.seconds * 1e9)


@dataclass(frozen=True)
class Figures:
    """One lane since the start. `decode`, `queue`, `inference` and `failures` count requests, `batches` count runs.

    A request that ran in a batch waited for the whole batch, so its `inference` is the batch's. `last_run` is in
    milliseconds since 1970, 0 before the first run. `ready_in` counts the processes that have the lane's network.
    """

    waiting_requests: int = 0
    waiting_images: int = 0
    ready_in: int = 0
    last_run: int = 0
    decode: Durations = NONE
    queue: Durations = NONE
    inference: Durations = NONE
    failures: Mapping[Reason, Total] = field(default_factory=dict)
    batches: Mapping[int, Total] = field(default_factory=dict)

    @property
    def images(self) -> int:
        return sum(size * total.count for size, total in self.batches.items())

    @property
    def runs(self) -> int:
        return self.run.count

    @property
    def success(self) -> Total:
        return Total(self.inference.count, self.queue.seconds + self.inference.seconds)

    @property
    def failure(self) -> Total:
        return _together(self.failures.values())

    @property
    def run(self) -> Total:
        """All runs, whatever the batch."""
        return _together(self.batches.values())


class Statistics:
    """Thread-safe, and right with all processes that share `cells`. Counting a request costs some microseconds."""

    def __init__(self, cells: Cells | None = None) -> None:
        self.cells = cells or Cells()
        self._lanes = self.cells.table("lane", _WIDTH)
        self._batches = self.cells.table("batch", 2)
        self._loads = self.cells.table("load", 2)
        self._workers = self.cells.table("worker", 0)
        self._live = self.cells.table("live", len(LIVE))
        self._drift = self.cells.table("drift", 0)

    def decoded(self, lane: Hashable, seconds: float) -> None:
        """One request whose images were decoded, the readable and the others."""
        with self.cells.lock:
            observe(self._lanes[lane], _DECODE, seconds)

    def waits(self, lane: Hashable, images: int) -> None:
        """One request begins to wait."""
        with self.cells.lock:
            record = self._lanes[lane]
            record[_WAITING_REQUESTS] += 1
            record[_WAITING_IMAGES] += images

    def left(self, lane: Hashable, images: int, requests: int = 1) -> None:
        """Requests that waited, with so many images together, do so no more, whatever becomes of them."""
        with self.cells.lock:
            record = self._lanes[lane]
            record[_WAITING_REQUESTS] -= requests
            record[_WAITING_IMAGES] -= images

    def answered(self, lane: Hashable, images: int, queued: Sequence[float], seconds: float) -> None:
        """One run of `images` for the requests that were `queued` so many seconds each."""
        with self.cells.lock:
            record = self._lanes[lane]
            record[_LAST_RUN] = time.time_ns() // 1_000_000
            for waited in queued:
                observe(record, _QUEUE, waited)
            observe(record, _INFERENCE, seconds, len(queued))
            batch = self._batches[lane, images]
            batch[_COUNT] += 1
            batch[_SECONDS] += seconds

    def failed(self, lane: Hashable, seconds: float, reason: Reason) -> None:
        """One request that got no scores, `seconds` after it came."""
        with self.cells.lock:
            record, at = self._lanes[lane], _FAILURES[reason]
            record[at] += 1
            record[at + 1] += seconds

    def loaded(self, model: str, seconds: float, *, succeeded: bool) -> None:
        """One file of the model was loaded here, or could not be."""
        with self.cells.lock:
            load = self._loads[model, succeeded]
            load[_COUNT] += 1
            load[_SECONDS] += seconds

    def sampled(self, lane: Hashable, images: Mapping[Live, int]) -> None:
        """What became of so many images that were sampled for live statistics."""
        with self.cells.lock:
            record = self._live[lane]
            for became, count in images.items():
                record[NOW + LIVE.index(became)] += count

    def judged(self, lane: Hashable, drifted: Mapping[str, bool]) -> None:
        """Which layers have drifted, of those of which this process can tell; instead of what it said before."""
        with self.cells.lock:
            for key, record in self._drift.items():
                if isinstance(key, tuple) and key[0] == lane:
                    record[_DRIFTED] = record[_JUDGED] = 0
            for layer, is_drifted in drifted.items():
                record = self._drift[lane, layer]
                record[_DRIFTED], record[_JUDGED] = is_drifted, 1

    def ready(self, lane: Hashable, *, is_ready: bool) -> None:
        """Whether this process can answer for the lane, from now on."""
        with self.cells.lock:
            self._lanes[lane][_READY] = is_ready

    def started(self) -> None:
        """What there was at the start of this process is loaded."""
        with self.cells.lock:
            self._workers["started"][0] = 1

    def all_started(self) -> bool:
        """Whether every process that counts has."""
        return sum(started for started, *_ in self.cells.sums("worker").values()) == self.cells.parts

    def of(self, lane: Hashable) -> Figures:
        """All zero where nothing ran."""
        return self._read(lambda other: other == lane).get(lane, Figures())

    def all(self, there: Collection[Hashable], since: float) -> Mapping[Hashable, Figures]:
        """Of the lanes that are `there`, and of others that ran since then, in seconds since 1970."""

        def ran(records: Sequence[Sequence[float]]) -> bool:
            return max(record[_LAST_RUN] for record in records) > 1000 * since

        found = {lane for lane, records in self.cells.read("lane").items() if lane in there or ran(records)}
        return self._read(found.__contains__)

    def loads(self) -> Mapping[tuple[str, bool], Total]:
        """By model, and whether it succeeded."""
        sums = self.cells.sums("load").items()
        return {cast("tuple[str, bool]", key): _total(cells) for key, cells in sums}

    def live(self) -> Mapping[Hashable, Mapping[Live, int]]:
        """What became of each lane's sampled images; of all lanes that there ever were."""
        sums = self.cells.sums("live").items()
        return {lane: {name: int(cells[NOW + at]) for at, name in enumerate(LIVE)} for lane, cells in sums}

    def drifted(self) -> Mapping[tuple[Hashable, str], int]:
        """By lane and layer, in how many processes it has drifted; only where one of them can tell; likewise."""
        sums = self.cells.sums("drift").items()
        judged = {key: cells for key, cells in sums if cells[_JUDGED]}
        return {cast("tuple[Hashable, str]", key): int(cells[_DRIFTED]) for key, cells in judged.items()}

    def _read(self, wanted: Callable[[Hashable], bool]) -> Mapping[Hashable, Figures]:
        sizes: dict[Hashable, dict[int, Total]] = {}
        for key, records in self.cells.read("batch", lambda key: wanted(_of_batch(key)[0])).items():
            lane, images = _of_batch(key)
            sizes.setdefault(lane, {})[images] = _total(summed(records))
        lanes = self.cells.read("lane", wanted).items()
        return {lane: _figures(records, sizes.get(lane, {})) for lane, records in lanes}


def _of_batch(key: Hashable) -> tuple[Hashable, int]:
    """The lane and the size, as `answered` makes the key."""
    return cast("tuple[Hashable, int]", key)


def _figures(records: Sequence[Sequence[float]], batches: Mapping[int, Total]) -> Figures:
    cells = summed(records)
    return Figures(
        waiting_requests=int(cells[_WAITING_REQUESTS]),
        waiting_images=int(cells[_WAITING_IMAGES]),
        ready_in=int(cells[_READY]),
        last_run=int(max(record[_LAST_RUN] for record in records)),
        decode=durations(cells, _DECODE),
        queue=durations(cells, _QUEUE),
        inference=durations(cells, _INFERENCE),
        failures={reason: Total(int(cells[at]), cells[at + 1]) for reason, at in _FAILURES.items() if cells[at]},
        batches=batches,
    )


def _total(cells: Sequence[float]) -> Total:
    return Total(int(cells[_COUNT]), cells[_SECONDS])


def _together(totals: Iterable[Total]) -> Total:
    totals = list(totals)
    return Total(sum(total.count for total in totals), sum((total.seconds for total in totals), 0.0))
