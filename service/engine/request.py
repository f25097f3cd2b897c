"""One caller's images, from admission to answer, and the parts they are run in. Decides nothing."""

import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from service.arrays import InputBatch
from service.engine.outcomes import Answer, Piece
from service.engine.turn import Network


@dataclass(eq=False)
class Request:
    """`count` images, known from the start; `images` once they are decoded. Times are `time.monotonic` seconds.

    Of them `taken` have begun. `gone`: nobody waits for the answer any more. `note` is the caller's, for whoever
    watches the runs.
    """

    network: Network
    count: int
    timeout_seconds: float
    note: object = None
    arrived: float = field(default_factory=time.monotonic)
    images: InputBatch | None = None
    taken: int = 0
    gone: bool = False
    started: float | None = None
    pieces: list[Piece] = field(default_factory=list)
    answer: "Future[Answer]" = field(default_factory=Future)

    @property
    def left(self) -> int:
        """Images that nobody runs yet and somebody waits for."""
        return 0 if self.gone else self.count - self.taken

    @property
    def expires(self) -> float:
        return self.arrived + self.timeout_seconds

    @property
    def queue_seconds(self) -> float:
        return (self.started or time.monotonic()) - self.arrived

    @property
    def lane(self) -> tuple[str, int]:
        """Model and version, as statistics count them."""
        return self.network.name, self.network.version


@dataclass(frozen=True)
class Part:
    """Images `start` to `stop` of one request."""

    request: Request
    start: int
    stop: int

    @property
    def count(self) -> int:
        return self.stop - self.start

    @property
    def images(self) -> InputBatch:
        assert self.request.images is not None  # noqa: S101 - only what is decoded can be cut
        return self.request.images[self.start : self.stop]


def joined(batch: Sequence[Part]) -> InputBatch:
    """The images of all parts, one after the other."""
    return batch[0].images if len(batch) == 1 else np.concatenate([part.images for part in batch])
