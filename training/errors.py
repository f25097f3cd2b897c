"""What can go wrong while training, in the domain's words. The command line prints each as one line."""

from collections.abc import Sequence
from pathlib import Path

from service.errors import FoveaError, nearest, shown


class TrainingError(FoveaError):
    """Nothing was written when one of these is raised."""

    code = "training_failed"


class UnknownRecipeError(TrainingError):
    code = "recipe_unknown"

    def __init__(self, name: str, available: Sequence[str]) -> None:
        super().__init__(f"no recipe named {shown(name)}", f"recipes: {nearest(name, available)}")


class InvalidRecipeError(TrainingError):
    """A recipe's setting with a name, type or value that does not fit."""

    code = "recipe_invalid"

    def __init__(self, key: str, value: object, remedy: str) -> None:
        super().__init__(f"setting {shown(key)}={shown(value)} cannot be used", remedy)


class MissingDataError(TrainingError):
    code = "data_missing"

    def __init__(self, missing: Sequence[str], folder: Path) -> None:
        super().__init__(f"{folder} lacks {', '.join(missing)}", "put these files there or give another folder: --data")


class CorruptDataError(TrainingError):
    code = "data_corrupt"

    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(f"{file}: {reason}", "copy the file again")


class MissingVersionError(TrainingError):
    code = "version_missing"

    def __init__(self, folder: Path, version: int | None, available: Sequence[int]) -> None:
        wanted = "trained version" if version is None else f"version {version}"
        super().__init__(
            f"{folder} has no {wanted}; its versions: {', '.join(map(str, available)) or 'none'}",
            "train it first, or give the folder of the models: --models",
        )


class UnusableFileError(TrainingError):
    """A model file that cannot be measured."""

    code = "model_file_unusable"

    def __init__(self, file: Path, reason: str, remedy: str) -> None:
        super().__init__(f"{file}: {reason}", remedy)


class DivergedError(TrainingError):
    code = "training_diverged"

    def __init__(self, loss: float, epoch: int, step: int, learning_rate: float) -> None:
        super().__init__(
            f"the loss is {loss} at step {step} of epoch {epoch} (learning rate {learning_rate:.3g})",
            "nothing was written; give a lower one: --set max_learning_rate=...",
        )


class ParityError(TrainingError):
    code = "parity_failed"

    def __init__(self, reason: str) -> None:
        super().__init__(f"PyTorch and ONNX Runtime disagree: {reason}", "nothing was written; report this export")


class VersionExistsError(TrainingError):
    code = "version_exists"

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} exists", "give --overwrite or another folder: --out")


class QuantizationError(TrainingError):
    """A network that cannot be quantised as it is."""

    code = "quantization_failed"


class AccuracyLossError(TrainingError):
    code = "accuracy_lost"

    def __init__(self, before: float, after: float, allowed_points: float) -> None:
        super().__init__(
            f"{after:.2%} of the test images right instead of {before:.2%}: {100 * (before - after):.2f} points lost, "
            f"more than {allowed_points:g}",
            "nothing was written; calibrate with more images: --images, or allow it: --max-loss",
        )
