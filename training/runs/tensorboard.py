"""The events of a run as TensorBoard logs. Knows no network."""

from collections.abc import Iterator
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from training.learning.events import Epoch, Step


def logged(events: Iterator[Step | Epoch], folder: Path) -> Iterator[Step | Epoch]:
    """Passes the events on and writes the epochs' figures to `folder`, for `tensorboard --logdir`."""
    with SummaryWriter(str(folder)) as writer:
        for event in events:
            if isinstance(event, Epoch):
                for name, value in event.record.model_dump(exclude={"epoch"}).items():
                    writer.add_scalar(name, value, event.record.epoch)
            yield event
