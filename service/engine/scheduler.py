"""Executor threads that run what waits: admission, deadlines, batches, failures that stay with their image. No HTTP.

An idle executor takes what is there at once (no waiting window, late binding); `lanes` says what. A request that
cannot be answered before its deadline is refused at the door; one that expires or whose caller leaves is never run,
and a run that nobody waits for any more is stopped. A batch that fails is run again in halves.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import ceil

from service.arrays import InputBatch
from service.engine.lanes import Lanes
from service.engine.outcomes import Answer, Piece, between, run
from service.engine.request import Part, Request, joined
from service.engine.statistics import Reason, Statistics
from service.engine.turn import Network, StoppedError, Turn
from service.errors import DeadlineExceededError, OverloadedError

# Told of each run before its requests are answered: their notes, the network, its images, when it began and ended.
Watch = Callable[[Sequence[object], Network, int, float, float], None]
# The queue that is promised is shorter than the deadline by this, since the next seconds need not be as the last ones.
# It costs no throughput: there is always enough to do.
_CAUTION = 1.25

log = logging.getLogger("fovea")


@dataclass(frozen=True)
class _Running:
    """What an executor runs now, and when it should be done."""

    turn: Turn
    requests: frozenset[Request]
    until: float


class Scheduler:
    """Every method may be called from any thread; `answered` from the event loop that waits for the answer."""

    def __init__(
        self,
        *,
        executors: int = 1,
        max_batch: int = 32,
        max_waiting: int = 1024,
        statistics: Statistics | None = None,
    ) -> None:
        self._max_waiting = max_waiting
        self.statistics = statistics or Statistics()
        self.watch: Watch | None = None
        self._lanes = Lanes(max_batch)
        self._running: dict[int, _Running] = {}
        self._closing = False
        self._changed = threading.Condition()
        # Daemons: who is told twice to stop does not wait for them.
        self._threads = [
            threading.Thread(target=self._work, name=f"executor-{i}", args=[i], daemon=True) for i in range(executors)
        ]
        for thread in self._threads:
            thread.start()

    def admit(self, network: Network, images: int, timeout_seconds: float, note: object = None) -> Request:
        """A place for so many images, before anything is decoded for them: who is admitted must `enqueue` or `leave`.

        Raises OverloadedError where too many wait, or where those before it take longer than its deadline allows.
        """
        request = Request(network, images, timeout_seconds, note)
        with self._changed:
            self._refuse_what_cannot_be_done(request)
            self._lanes.admit(request)
            self.statistics.waits(request.lane, images)
        return request

    def refusal(self, network: Network, timeout_seconds: float) -> OverloadedError | None:
        """Why a request of one image would be refused now; it counts as one. None where it would be admitted."""
        request = Request(network, 1, timeout_seconds)
        with self._changed:
            try:
                self._refuse_what_cannot_be_done(request)
            except OverloadedError as error:
                return error
        return None

    def enqueue(self, request: Request, images: InputBatch) -> None:
        """The admitted request's images, at most as many as were admitted; it may run from now on."""
        with self._changed:
            if request.gone:
                return
            self._lanes.forget(request, request.count - len(images))
            self.statistics.left(request.lane, request.count - len(images), 0)
            request.images, request.count = images, len(images)
            self._lanes.enqueue(request)
            self._changed.notify()

    def submit(self, network: Network, images: InputBatch, timeout_seconds: float, note: object = None) -> Request:
        """`admit` and `enqueue`, where the images are there already."""
        request = self.admit(network, len(images), timeout_seconds, note)
        self.enqueue(request, images)
        return request

    @contextmanager
    def admitted(self, network: Network, images: int, timeout_seconds: float, note: object = None) -> Iterator[Request]:
        """As `admit`; what is not answered at the end of the block has left."""
        request = self.admit(network, images, timeout_seconds, note)
        try:
            yield request
        finally:
            self.leave(request, None)

    def leave(self, request: Request, reason: Reason | None = "abandoned") -> None:
        """Nobody waits for the request any more: what has not begun never will, a run for nobody else is stopped.

        It counts as a failure for that `reason`, without one not at all.
        """
        with self._changed:
            if not self._given_up(request, reason):
                return
            runs = [running for running in self._running.values() if all(other.gone for other in running.requests)]
        for running in runs:
            running.turn.stop()

    async def answered(self, request: Request) -> Answer:
        """Waits for the answer; raises DeadlineExceededError exactly when the request's time is up, busy or not."""
        try:
            async with asyncio.timeout(max(request.expires - time.monotonic(), 0)):
                return await asyncio.wrap_future(request.answer)
        except TimeoutError:
            self.leave(request, "expired")
            raise DeadlineExceededError(request.timeout_seconds) from None
        except asyncio.CancelledError:
            self.leave(request)
            raise

    def run_here(self, network: Network, images: InputBatch) -> list[Piece]:
        """What becomes of the images, run in the calling thread: for work that takes less than waiting for a thread."""
        found: list[Piece] = []
        for start in range(0, len(images), network.costs.largest):
            before = time.monotonic()
            pieces = run(network, images[start : start + network.costs.largest], Turn(), start)
            _learn(network, pieces, time.monotonic() - before)
            found += pieces
        return found

    def close(self) -> None:
        """Answers what waits, then ends the threads."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _refuse_what_cannot_be_done(self, request: Request) -> None:
        waiting = self._lanes.images
        before = self._seconds_before(request)
        costs = request.network.costs
        together = max(request.count, costs.cut(waiting + request.count, request.count))  # it waits for its whole batch
        late = _CAUTION * (before + costs.seconds(together)) - request.timeout_seconds
        if waiting and (waiting + request.count > self._max_waiting or late > 0):
            self.statistics.failed(request.lane, 0.0, "overloaded")
            raise OverloadedError(waiting, before, _retry_after(late if late > 0 else before))

    def _seconds_before(self, request: Request) -> float:
        """Until an executor is free for the request, if every run takes as long as it usually does."""
        running = sum((max(0.0, busy.until - request.arrived) for busy in self._running.values()), 0.0)
        return (running + self._lanes.seconds_before(request.network)) / len(self._threads)

    def _work(self, executor: int) -> None:
        while batch := self._next_batch(executor):
            try:
                self._run(batch, self._running[executor].turn)
            except Exception as error:  # a defect of ours must not end the thread that answers everybody
                log.exception("a batch was lost")
                for part in batch:
                    _settle(part.request, error)
            del batch  # else an idle thread keeps a replaced network in memory

    def _next_batch(self, executor: int) -> list[Part]:
        """Blocks until there is work; empty once closed and nothing waits."""
        with self._changed:
            self._running.pop(executor, None)
            while True:
                if batch := self._still_wanted(self._taken()):
                    turn = Turn(executor, alone=not self._running and not self._lanes.ready)
                    self._running[executor] = _begun(batch, turn)
                    if self._lanes.ready:
                        self._changed.notify()  # who brought this woke one executor, and there is more to do
                    return batch
                if self._lanes.ready:
                    continue
                if self._closing:
                    return []
                self._changed.wait()

    def _taken(self) -> list[Part]:
        """The next batch, which no longer waits, whatever becomes of it."""
        batch = self._lanes.take()
        if batch:
            whole = sum(part.stop == part.request.count for part in batch)
            self.statistics.left(batch[0].request.lane, sum(part.count for part in batch), whole)
        return batch

    def _still_wanted(self, batch: list[Part]) -> list[Part]:
        """Without the requests whose time ran out, or whose caller left, before anybody could say so."""
        now = time.monotonic()
        for request in {part.request for part in batch}:
            if request.answer.cancelled():
                self._given_up(request, "abandoned")
            if request.expires <= now and self._given_up(request, "expired"):
                _settle(request, DeadlineExceededError(request.timeout_seconds))
        return [part for part in batch if not part.request.gone]

    def _given_up(self, request: Request, reason: Reason | None) -> bool:
        """False where it was answered or given up before."""
        if request.gone or (request.answer.done() and not request.answer.cancelled()):
            return False
        self._lanes.forget(request, request.left)
        self.statistics.left(request.lane, request.left, int(request.left > 0))
        request.gone = True
        if reason is not None:
            self.statistics.failed(request.lane, time.monotonic() - request.arrived, reason)
        return True

    def _run(self, batch: list[Part], turn: Turn) -> None:
        network, before = batch[0].request.network, time.monotonic()
        pieces = run(network, joined(batch), turn)
        seconds = time.monotonic() - before
        if not turn.alone:
            _learn(network, pieces, seconds)
        with self._changed:
            complete = _delivered(batch, pieces)
        self._count(batch, pieces, before, seconds)
        if self.watch is not None:
            images = sum(part.count for part in batch)
            self.watch([part.request.note for part in batch], network, images, before, before + seconds)
        for request in complete:
            _settle(request, Answer(sorted(request.pieces, key=lambda piece: piece.start)))

    def _count(self, batch: Sequence[Part], pieces: Sequence[Piece], began: float, seconds: float) -> None:
        """One run for the statistics: each request counts where its last image ran."""
        last = [part.request for part in batch if part.stop == part.request.count and not part.request.gone]
        bad = [request for request in last if any(piece.error for piece in request.pieces)]
        for request in bad:
            self.statistics.failed(request.lane, time.monotonic() - request.arrived, "error")
        if images := sum(piece.count for piece in pieces if piece.error is None):
            queued = [began - request.arrived for request in last if request not in bad]
            self.statistics.answered(batch[0].request.lane, images, queued, seconds)


def _begun(batch: Sequence[Part], turn: Turn) -> _Running:
    now = time.monotonic()
    requests = frozenset(part.request for part in batch)
    for request in requests:
        request.started = request.started or now
    images = sum(part.count for part in batch)
    return _Running(turn, requests, now + batch[0].request.network.costs.seconds(images))


def _delivered(batch: Sequence[Part], pieces: Sequence[Piece]) -> list[Request]:
    """Gives each request its pieces of the batch; the requests that now have all of theirs."""
    offset, complete = 0, []
    for part in batch:
        count = part.count
        part.request.pieces += [
            replace(piece, start=piece.start + part.start) for piece in between(pieces, offset, offset + count)
        ]
        offset += count
        if sum(piece.count for piece in part.request.pieces) == part.request.count:
            complete.append(part.request)
    return complete


def _learn(network: Network, pieces: Sequence[Piece], seconds: float) -> None:
    """Also from runs that were stopped, as are all that take longer than their deadlines: the others are too quick."""
    if len(pieces) == 1 and pieces[0].error is None:
        network.costs.learn(pieces[0].count, seconds)
    elif len(pieces) == 1 and isinstance(pieces[0].error, StoppedError):
        network.costs.learn_at_least(pieces[0].count, seconds)


def _settle(request: Request, result: Answer | Exception) -> None:
    if not request.answer.set_running_or_notify_cancel():
        return
    if isinstance(result, Exception):
        request.answer.set_exception(result)
    else:
        request.answer.set_result(result)


def _retry_after(seconds: float) -> int:
    """1 to 30 s."""
    return min(30, max(1, ceil(seconds)))
