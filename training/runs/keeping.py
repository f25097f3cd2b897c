"""The events of a run on their way to whoever watches, with a checkpoint where one is due."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from training.errors import StoppedError
from training.learning.events import Epoch, Step
from training.learning.group import gathered
from training.runs.session import Session, write_checkpoint

SECONDS_BETWEEN = 600.0


def kept(session: Session, folder: Path, stop: Callable[[], bool]) -> Iterator[Step | Epoch]:
    """A checkpoint after every epoch but the last, in a long one every ten minutes, and when `stop` says so.

    Raises StoppedError then. Several processes must agree: they stop and save after an epoch only, all of them where
    one is asked to.
    """
    written = time.monotonic()
    for event in session.events():
        yield event
        if isinstance(event, Epoch) and event.last:
            continue
        if isinstance(event, Step) and session.group.world > 1:
            continue
        due = isinstance(event, Epoch) or time.monotonic() - written > SECONDS_BETWEEN
        wished = any(gathered(stop(), session.group))
        if due or wished:
            write_checkpoint(folder, session)
            written = time.monotonic()
        if wished:
            state = session.state
            raise StoppedError(folder, state.place.epoch, state.place.step, state.kept_epoch)
