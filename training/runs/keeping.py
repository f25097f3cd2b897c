"""The events of a run on their way to whoever watches, with a checkpoint where one is due."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from training.errors import StoppedError
from training.learning.events import Epoch, Step
from training.runs.session import Session, write_checkpoint

SECONDS_BETWEEN = 600.0


def kept(session: Session, folder: Path, stop: Callable[[], bool]) -> Iterator[Step | Epoch]:
    """A checkpoint after every epoch but the last, in a long one every ten minutes, and when `stop` says so.

    Raises StoppedError then. Several processes must agree: they stop and save after an epoch only.
    """
    written = time.monotonic()
    for event in session.events():
        yield event
        alone = session.group.world == 1
        if isinstance(event, Epoch) and event.last:
            continue
        due = isinstance(event, Epoch) or (alone and time.monotonic() - written > SECONDS_BETWEEN)
        wished = stop() and (alone or isinstance(event, Epoch))
        if due or wished:
            write_checkpoint(folder, session)
            written = time.monotonic()
        if wished:
            state = session.state
            raise StoppedError(folder, state.place.epoch, state.place.step, state.kept_epoch)
