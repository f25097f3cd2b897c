"""What a training run tells while it goes on."""

from dataclasses import dataclass

from service.engine.training_history import EpochRecord


@dataclass(frozen=True)
class Step:
    """After a batch: the loss and share of right answers over this epoch so far."""

    epoch: int
    step: int
    steps_per_epoch: int
    loss: float
    accuracy: float


@dataclass(frozen=True)
class Epoch:
    """After one pass over the training part. `kept`: its weights are the best so far; `last`: none follows."""

    record: EpochRecord
    kept: bool
    last: bool
