"""What people see of a run: lines in a pipe, a bar in a terminal."""

import io

from rich.console import Console

from service.engine.training_history import EpochRecord
from training.learning.events import Epoch, Step
from training.runs.progress import follow


def epoch(number: int, loss: float, validation_loss: float, validation_accuracy: float) -> Epoch:
    record = EpochRecord(
        epoch=number,
        seconds=number,
        learning_rate=0.1,
        loss=loss,
        accuracy=0.5,
        validation_loss=validation_loss,
        validation_accuracy=validation_accuracy,
    )
    return Epoch(record, kept=True, last=number == 2)


EVENTS: list[Step | Epoch] = [
    Step(1, 1, 2, 2.3, 0.1),
    Step(1, 2, 2, 2.0, 0.25),
    epoch(1, 2.0, 1.5, 0.5),
    Step(2, 1, 2, 1.0, 0.75),
    Step(2, 2, 2, 0.9, 0.8),
    epoch(2, 0.9, 0.8, 0.875),
]


def shown(*, terminal: bool) -> str:
    stream = io.StringIO()
    follow(iter(EVENTS), 2, Console(file=stream, force_terminal=terminal, width=150))
    return stream.getvalue()


def test_a_pipe_gets_one_plain_line_for_each_epoch() -> None:
    assert shown(terminal=False).splitlines() == [
        "epoch 1/2  loss 2.0000  validation: loss 1.5000, accuracy 50.00%",
        "epoch 2/2  loss 0.9000  validation: loss 0.8000, accuracy 87.50%",
    ]


def test_a_terminal_gets_a_bar_with_the_epoch_the_loss_and_the_accuracy_so_far() -> None:
    screen = shown(terminal=True)
    for part in ("epoch 2/2", "100 %", "loss 0.9000", "accuracy 80.00%", "validation 87.50%"):
        assert part in screen
