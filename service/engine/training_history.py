"""How a file's training went, epoch by epoch: a part of the model file's contract, so that a report needs no log.

Pure: knows how the figures are written, not where they come from.
"""

from pydantic import BaseModel, ConfigDict, Field


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class EpochRecord(_Frozen):
    """One pass over the training part. Losses in nats, accuracies as shares 0..1.

    `seconds` are those of all steps so far, without measuring and writing; `learning_rate` is that of the last step.
    The training figures are those of the augmented images while the weights change; the validation figures are those
    of the weights that would be kept.
    """

    epoch: int = Field(ge=1)
    seconds: float = Field(ge=0)
    learning_rate: float = Field(ge=0)
    loss: float
    accuracy: float = Field(ge=0, le=1)
    validation_loss: float
    validation_accuracy: float = Field(ge=0, le=1)


class TrainingHistory(_Frozen):
    """`recipe` has every setting of the run as text; `kept_epoch` is the one whose weights the file holds."""

    recipe: dict[str, str]
    hardware: str
    seconds: float = Field(ge=0)
    training_images: int = Field(gt=0)
    validation_images: int = Field(ge=0)
    kept_epoch: int = Field(ge=0)
    epochs: tuple[EpochRecord, ...]
