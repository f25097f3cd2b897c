"""A training run as people watch it: a bar in a terminal, one line an epoch in a pipe. Knows no network."""

from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from service.engine.training_history import EpochRecord
from training.learning.events import Epoch, Step


def follow(events: Iterator[Step | Epoch], epochs: int, console: Console) -> None:
    """Consumes the events of a training run and shows them on `console`."""
    if console.is_terminal:
        _bar(events, epochs, console)
        return
    for event in events:
        if isinstance(event, Epoch):
            console.print(summary(event.record, epochs), highlight=False, soft_wrap=True)


def summary(epoch: EpochRecord, epochs: int) -> str:
    return (
        f"epoch {epoch.epoch}/{epochs}  loss {epoch.loss:.4f}  "
        f"validation: loss {epoch.validation_loss:.4f}, accuracy {epoch.validation_accuracy:.2%}"
    )


def _bar(events: Iterator[Step | Epoch], epochs: int, console: Console) -> None:
    columns = (
        TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("loss {task.fields[loss]:.4f}  accuracy {task.fields[accuracy]:.2%}{task.fields[validation]}"),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=None, epoch=1, epochs=epochs, loss=0.0, accuracy=0.0, validation="")
        for event in events:
            if isinstance(event, Epoch):
                progress.update(task, validation=f"  validation {event.record.validation_accuracy:.2%}")
            else:
                progress.update(
                    task,
                    completed=(event.epoch - 1) * event.steps_per_epoch + event.step,
                    total=epochs * event.steps_per_epoch,
                    epoch=event.epoch,
                    loss=event.loss,
                    accuracy=event.accuracy,
                )
