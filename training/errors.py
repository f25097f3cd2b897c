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

    def __init__(self, missing: Sequence[str], folder: Path, *, download: bool = False) -> None:
        fetch = ", or fetch them: --download" if download else ""
        super().__init__(
            f"{folder} lacks {', '.join(missing)}", f"put these files there or give another folder: --data{fetch}"
        )


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
            "give a lower one: --set max_learning_rate=...; the epochs before it are in the checkpoint",
        )


class CheckpointError(TrainingError):
    """A checkpoint that cannot be written, read or gone on from."""

    code = "checkpoint_unusable"

    def __init__(self, path: Path, reason: str, remedy: str) -> None:
        super().__init__(f"{path} {reason}", remedy)


class StoppedError(TrainingError):
    """A person asked the run to stop; its checkpoint has what it reached. `kept_epoch` is 0 where none is over."""

    code = "stopped"

    def __init__(self, folder: Path, epoch: int, step: int, kept_epoch: int) -> None:
        export = f"; export the best epoch: python -m training export {folder}" if kept_epoch else ""
        super().__init__(
            f"stopped in epoch {epoch} after step {step}; nothing is lost",
            f"go on: python -m training resume {folder}{export}",
        )


class UnfitImagesError(TrainingError):
    """Images that the network cannot take."""

    code = "images_unfit"

    def __init__(
        self, network: str, takes: Sequence[int], given: Sequence[int], reason: str, *, scalable: bool
    ) -> None:
        another_size = ", or another size: --set image_side=..." if scalable else ""
        super().__init__(
            f"network {network} takes images of {'x'.join(map(str, takes))} (height x width x channels), "
            f"not of {'x'.join(map(str, given))}: {reason}",
            f"give another network: --set network=...{another_size}",
        )


class UnfitLabelsError(TrainingError):
    """Labels that no network can learn."""

    code = "labels_unfit"


class MissingDeviceError(TrainingError):
    code = "device_missing"

    def __init__(self, process: int, gpus: int) -> None:
        super().__init__(
            f"process {process} of this machine has no GPU, PyTorch finds {gpus}",
            "train on the CPU: --device cpu, or start no more processes than there are GPUs",
        )


class ParityError(TrainingError):
    code = "parity_failed"

    def __init__(self, reason: str) -> None:
        super().__init__(f"PyTorch and ONNX Runtime disagree: {reason}", "nothing was written; report this export")


class VersionExistsError(TrainingError):
    """`remedy` is that of the command that was to write it."""

    code = "version_exists"

    def __init__(self, path: Path, remedy: str) -> None:
        super().__init__(f"{path} exists", remedy)


class InvalidNameError(TrainingError):
    code = "name_invalid"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{shown(name)} cannot name a model",
            "give 1 to 64 of A-Z a-z 0-9 . _ -, the first a letter or a digit: --name",
        )


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


class UnknownDatasetError(TrainingError):
    code = "dataset_unknown"

    def __init__(self, name: str, available: Sequence[str]) -> None:
        super().__init__(f"no data set named {shown(name)}", f"data sets: {', '.join(available)}")


class InvalidDataError(TrainingError):
    """Images laid out, or listed, in a way that leaves open what is meant."""

    code = "data_invalid"

    def __init__(self, place: Path | str, reason: str, remedy: str) -> None:
        super().__init__(f"{place} {reason}", remedy)


class UnreadableImagesError(TrainingError):
    """`unreadable` has a sentence for each of them."""

    code = "images_unreadable"

    def __init__(self, unreadable: Sequence[str], images: int) -> None:
        super().__init__(
            f"{len(unreadable):,} of {images:,} images cannot be read, the first: {unreadable[0]}",
            "repair or remove them, or leave them out: --skip-unreadable",
        )
        self.unreadable = tuple(unreadable)


class DownloadError(TrainingError):
    code = "download_failed"


class LearningRateNotFoundError(TrainingError):
    code = "learning_rate_not_found"

    def __init__(self, rates: Sequence[float]) -> None:
        tried = f"at rates from {rates[0]:.3g} to {rates[-1]:.3g}" if rates else "at the lowest rate"
        super().__init__(f"the loss falls nowhere {tried}", "begin lower, or take more steps")


class MissingRecipeError(TrainingError):
    code = "recipe_missing"

    def __init__(self, file: Path) -> None:
        super().__init__(f"{file} does not say whose weights it holds", "name the recipe: --recipe; `list` shows all")


class UnfitWeightsError(TrainingError):
    """Weights from elsewhere that are not those of the recipe's network."""

    code = "weights_unfit"

    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(f"{file}: {reason}", "give the recipe whose network it is, or set it: --set network=...")


class UnfitBackboneError(TrainingError):
    """Weights of another network than the one that is to begin with them. `given` is None where the file lacks it."""

    code = "backbone_unfit"

    def __init__(self, name: str, wanted: Sequence[int], given: Sequence[int] | None) -> None:
        found = "lacks it" if given is None else f"has it as {'x'.join(map(str, given))}"
        super().__init__(
            f"no weight fits: the network has {shown(name)} as {'x'.join(map(str, wanted))}, the file {found}",
            "give a file of the same network, or set its network: --set network=...",
        )
