"""What becomes of a batch, image by image: scores, or what went wrong with just that one. No threads, no queue."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from service.arrays import InputBatch, Scores
from service.engine.turn import Network, StoppedError, Turn


@dataclass(frozen=True)
class Piece:
    """Images `start` to `start + count` of a batch or request: their `scores`, or the `error` of all of them."""

    start: int
    count: int
    scores: Scores | None = None
    error: Exception | None = None


@dataclass(frozen=True)
class Answer:
    """What became of a request: its pieces in the order of its images."""

    pieces: Sequence[Piece]

    def scores(self) -> Scores:
        """One row per image; raises what went wrong with any of them."""
        for piece in self.pieces:
            if piece.error is not None:
                raise piece.error
        found = [piece.scores for piece in self.pieces if piece.scores is not None]
        return found[0] if len(found) == 1 else np.concatenate(found)


def run(network: Network, images: InputBatch, turn: Turn, start: int = 0) -> list[Piece]:
    """The batch's pieces in order. One that fails is run again in halves, down to the image that fails alone.

    A batch of n of which one image is bad costs at most 2 log2(n) further runs; a stopped one is not run again.
    """
    count = len(images)
    try:
        return [Piece(start, count, network.scores(images, turn))]
    except Exception as error:  # noqa: BLE001 - whatever a runtime raises belongs to the caller, not to this thread
        if count == 1 or isinstance(error, StoppedError):
            return [Piece(start, count, error=error)]
    half = count // 2
    return [*run(network, images[:half], turn, start), *run(network, images[half:], turn, start + half)]


def between(pieces: Sequence[Piece], start: int, stop: int) -> Iterator[Piece]:
    """The pieces of images `start` to `stop`, counted from `start`."""
    for piece in pieces:
        first, last = max(piece.start, start), min(piece.start + piece.count, stop)
        if first < last:
            rows = piece.scores[first - piece.start : last - piece.start] if piece.scores is not None else None
            yield Piece(first - start, last - first, rows, piece.error)
