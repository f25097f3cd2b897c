"""Who runs next: waiting images to batches, batches to classifiers. No HTTP, no ONNX.

One lane per classifier; an idle executor takes what is there at once (no waiting window, late binding), whole requests
up to `max_batch` images from the lane whose first request has waited longest. Expired and abandoned requests are never
run. A batch that fails is run again in halves, so that one bad request fails alone.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from math import ceil

import numpy as np

from service.arrays import InputBatch, Scores
from service.engine.statistics import Statistics
from service.errors import DeadlineExceededError, OverloadedError

Run = Callable[[InputBatch], Scores]


@dataclass(eq=False)
class Request:
    """Images of one caller that wait or run together. Times are `time.monotonic` seconds."""

    lane: Hashable
    images: InputBatch
    run: Run
    timeout_seconds: float
    arrived: float = field(default_factory=time.monotonic)
    started: float | None = None
    answer: "Future[Scores]" = field(default_factory=Future)

    @property
    def expires(self) -> float:
        return self.arrived + self.timeout_seconds

    @property
    def queue_seconds(self) -> float:
        return (self.started or time.monotonic()) - self.arrived


class Scheduler:
    """Executor threads over lanes. `submit` may be called from any thread or event loop; `close` waits for the rest."""

    def __init__(self, *, executors: int = 1, max_batch: int = 32, max_waiting: int = 1024) -> None:
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self.statistics = Statistics()
        self._lanes: dict[Hashable, deque[Request]] = {}
        self._waiting = 0
        self._images_per_second = 0.0
        self._closing = False
        self._changed = threading.Condition()
        self._threads = [threading.Thread(target=self._work, name=f"executor-{i}") for i in range(executors)]
        for thread in self._threads:
            thread.start()

    def submit(self, lane: Hashable, images: InputBatch, run: Run, timeout_seconds: float) -> Request:
        """Queues the images of one request; raises OverloadedError where too many wait already."""
        request = Request(lane, images, run, timeout_seconds)
        with self._changed:
            if self._waiting and self._waiting + len(images) > self._max_waiting:
                self.statistics.failed(lane, 0.0)
                raise OverloadedError(self._waiting, self._max_waiting, self._seconds_until_free())
            self._lanes.setdefault(lane, deque()).append(request)
            self._waiting += len(images)
            self._changed.notify()
        return request

    def close(self) -> None:
        """Answers what waits, then ends the threads."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while batch := self._next_batch():
            before = time.monotonic()
            _answer(batch, self.statistics)
            self._measure(sum(len(request.images) for request in batch), time.monotonic() - before)
            del batch  # else an idle thread keeps a replaced network in memory

    def _next_batch(self) -> list[Request]:
        """Blocks until there is work; empty once closed and nothing waits."""
        with self._changed:
            while True:
                if batch := self._take():
                    return batch
                if self._closing:
                    return []
                self._changed.wait()

    def _take(self) -> list[Request]:
        """Live requests from the lane that has waited longest, at least one, at most `max_batch` images."""
        batch: list[Request] = []
        while self._lanes and not batch:
            lane = min(self._lanes, key=lambda name: self._lanes[name][0].arrived)
            queue = self._lanes[lane]
            while queue and _fits(queue[0], batch, self._max_batch):
                request = queue.popleft()
                self._waiting -= len(request.images)
                if _begins(request):
                    batch.append(request)
                else:
                    self.statistics.failed(lane, request.queue_seconds)
            if not queue:
                del self._lanes[lane]
        return batch

    def _measure(self, images: int, seconds: float) -> None:
        rate = images / max(seconds, 1e-6)
        self._images_per_second = rate if not self._images_per_second else 0.9 * self._images_per_second + 0.1 * rate

    def _seconds_until_free(self) -> int:
        """Time to work off what waits, for Retry-After: 1 to 30 s."""
        return min(30, max(1, ceil(self._waiting / (self._images_per_second or 1.0))))


async def answer(request: Request) -> Scores:
    """Waits for the request's scores; raises DeadlineExceededError when its time is up, even while others run."""
    future = asyncio.wrap_future(request.answer)
    left = request.expires - time.monotonic()
    try:
        return await asyncio.wait_for(future, max(left, 0))
    except TimeoutError:
        raise DeadlineExceededError(request.timeout_seconds) from None


def _fits(request: Request, batch: Sequence[Request], limit: int) -> bool:
    """A request larger than the limit runs alone; a batch has images of one shape for one classifier.

    A lane holds requests for two while a new file takes the place of an old one.
    """
    if not batch:
        return True
    first = batch[0]
    together = sum(len(other.images) for other in batch) + len(request.images)
    return together <= limit and request.images.shape[1:] == first.images.shape[1:] and request.run == first.run


def _begins(request: Request) -> bool:
    """False where nobody waits for the answer any more."""
    request.started = time.monotonic()
    if not request.answer.set_running_or_notify_cancel():
        return False
    if request.started >= request.expires:
        request.answer.set_exception(DeadlineExceededError(request.timeout_seconds))
        return False
    return True


def _answer(batch: Sequence[Request], statistics: Statistics) -> None:
    before = time.monotonic()
    try:
        scores = batch[0].run(_joined(batch))
    except Exception as error:  # noqa: BLE001 - whatever a runtime raises belongs to the caller, not to this thread
        _divide(batch, error, statistics)
        return
    queued = [before - request.arrived for request in batch]
    statistics.answered(batch[0].lane, len(scores), queued, time.monotonic() - before)
    start = 0
    for request in batch:
        request.answer.set_result(scores[start : start + len(request.images)])
        start += len(request.images)


def _divide(batch: Sequence[Request], error: Exception, statistics: Statistics) -> None:
    if len(batch) == 1:
        statistics.failed(batch[0].lane, time.monotonic() - batch[0].arrived)
        batch[0].answer.set_exception(error)
        return
    half = len(batch) // 2
    _answer(batch[:half], statistics)
    _answer(batch[half:], statistics)


def _joined(batch: Sequence[Request]) -> InputBatch:
    return batch[0].images if len(batch) == 1 else np.concatenate([request.images for request in batch])
