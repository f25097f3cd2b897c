"""Running totals of what ran, per lane: how many, how long, in batches of which size.

Counts only: knows neither the scheduler that feeds it nor the protocol that shows it.
"""

import threading
import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

Reason = Literal["overloaded", "expired", "abandoned", "error"]


@dataclass(frozen=True)
class Total:
    """How often something happened, and the sum of its durations."""

    count: int = 0
    nanoseconds: int = 0

    def plus(self, *seconds: float) -> "Total":
        return Total(self.count + len(seconds), self.nanoseconds + round(sum(seconds) * 1e9))


@dataclass(frozen=True)
class Figures:
    """One lane since the start. `success`, `failure`, `queue` and `inference` count requests, `batches` count runs.

    A request that ran in a batch waited for the whole batch, so its `inference` is the batch's. `last_run` is in
    milliseconds since 1970, 0 before the first run.
    """

    images: int = 0
    runs: int = 0
    last_run: int = 0
    success: Total = Total()
    failure: Total = Total()
    queue: Total = Total()
    inference: Total = Total()
    batches: Mapping[int, Total] = field(default_factory=dict)


class Statistics:
    """Thread-safe. A reader sees whole figures only: they are replaced, never changed."""

    def __init__(self) -> None:
        self._figures: dict[Hashable, Figures] = {}
        self._lock = threading.Lock()

    def of(self, lane: Hashable) -> Figures:
        """All zero where nothing ran."""
        return self._figures.get(lane, Figures())

    def answered(self, lane: Hashable, images: int, queued: Sequence[float], seconds: float) -> None:
        """One run of `images` for the requests that were `queued` so many seconds each."""
        with self._lock:
            before = self.of(lane)
            self._figures[lane] = replace(
                before,
                images=before.images + images,
                runs=before.runs + 1,
                last_run=time.time_ns() // 1_000_000,
                success=before.success.plus(*(waited + seconds for waited in queued)),
                queue=before.queue.plus(*queued),
                inference=before.inference.plus(*[seconds] * len(queued)),
                batches={**before.batches, images: before.batches.get(images, Total()).plus(seconds)},
            )

    def failed(self, lane: Hashable, seconds: float, reason: Reason) -> None:  # noqa: ARG002 - shown with the metrics
        """One request that got no scores: refused, expired, abandoned, or its run failed."""
        with self._lock:
            before = self.of(lane)
            self._figures[lane] = replace(before, failure=before.failure.plus(seconds))
