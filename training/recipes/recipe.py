"""A recipe: everything that decides a training run, but for the seed. Knows no data and no file."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from training.errors import InvalidRecipeError

Optimizer = Literal["adamw", "sgd", "muon", "airbench"]
Schedule = Literal["one_cycle", "linear", "constant"]
Mirror = Literal["none", "random", "alternating"]
Balance = Literal["none", "loss", "sampling"]
Keep = Literal["best", "last"]
TestTime = Literal["none", "mirror", "shift", "mirror+shift"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """`dataset` and `network` are names in their packages. Every field can be set but the first two.

    What a setting of 0 (or "none") switches off costs nothing and draws no random number.
    """

    name: str
    dataset: str
    network: str
    # Which images
    validation_every: int  # every n-th training image of each class is held out to choose the epoch
    image_side: int = 0  # pixels, of pictures of any size; 0: the side that the network is made for
    balance: Balance = "none"  # rare classes: weighed more in the loss, or drawn more often
    # How long
    epochs: int
    batch_size: int
    keep: Keep = "best"  # the epoch that is best on the held-out images, or the last one
    patience: int = 0  # epochs without a better one on the held-out images after which training stops; 0: never
    # Steps
    optimizer: Optimizer = "adamw"
    schedule: Schedule = "one_cycle"
    max_learning_rate: float
    weight_decay: float  # adamw: decoupled, as a share of the learning rate; airbench: as a share of the weight
    momentum: float = 0.9  # of sgd, muon and airbench
    label_smoothing: float = 0.0
    average_decay: float = 0.0  # of the exponential moving average of the weights, per step; 0: the weights themselves
    frozen_backbone: bool = False  # finetune only: all but the last layer stays as it came
    # Changes of the training images
    rotation_degrees: float = 0.0
    scale_share: float = 0.0
    shift_pixels: float = 0.0  # by parts of a pixel, together with rotation and scale; what comes in is 0
    crop_pixels: int = 0  # by whole pixels, which is cheaper; what comes in is the mirrored edge
    mirror: Mirror = "none"  # left for right: half of the images by chance, or each in every other epoch
    erased_side: int = 0  # of a square put at the mean of the training images, in pixels
    brightness_share: float = 0.0
    contrast_share: float = 0.0
    mixup_alpha: float = 0.0  # of the Beta distribution that says how two images mix; 0: no mixing
    # Arithmetic
    bfloat16: bool = False  # matrix products of the training in half the bits; the exported file is float32
    channels_last: bool = True
    compiled: bool = False  # by torch.compile
    # Answers
    test_time: TestTime = "none"  # mean over views of one image, stated beside the plain figures

    def __post_init__(self) -> None:
        for key, (low, high) in RANGES.items():
            value = getattr(self, key)
            if not low <= value <= high:  # nor is NaN
                raise InvalidRecipeError(key, value, f"give a number from {low:g} to {high:g}")


RANGES: dict[str, tuple[float, float]] = {
    "validation_every": (2, 1000),
    "image_side": (0, 4096),
    "epochs": (1, 10_000),
    "batch_size": (2, 100_000),
    "patience": (0, 10_000),
    "max_learning_rate": (1e-8, 1e8),
    "weight_decay": (0, 100),
    "momentum": (0, 0.999),
    "label_smoothing": (0, 0.9),
    "average_decay": (0, 0.99999),
    "rotation_degrees": (0, 180),
    "scale_share": (0, 0.9),
    "shift_pixels": (0, 1000),
    "crop_pixels": (0, 1000),
    "erased_side": (0, 1000),
    "brightness_share": (0, 1),
    "contrast_share": (0, 1),
    "mixup_alpha": (0, 100),
}

CHOICES: dict[str, tuple[str, ...]] = {
    "balance": get_args(Balance),
    "keep": get_args(Keep),
    "optimizer": get_args(Optimizer),
    "schedule": get_args(Schedule),
    "mirror": get_args(Mirror),
    "test_time": get_args(TestTime),
}

SWITCHES = ("frozen_backbone", "bfloat16", "channels_last", "compiled")
SETTINGS = ("network", *RANGES, *CHOICES, *SWITCHES)
_WHOLE = {field.name for field in fields(Recipe) if field.type is int}


def with_settings(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """The recipe with `key=value` pairs put in. Raises InvalidRecipeError, which says what would do."""
    return replace(recipe, **dict(map(_parsed, settings)))


def settings_between(original: Recipe, changed: Recipe) -> tuple[str, ...]:
    """The `key=value` pairs that make `changed` of `original`."""
    differing = [key for key in SETTINGS if getattr(changed, key) != getattr(original, key)]
    return tuple(f"{key}={_written(getattr(changed, key))}" for key in differing)


def _parsed(setting: str) -> tuple[str, Any]:
    key, _, value = setting.partition("=")
    if key not in SETTINGS:
        raise InvalidRecipeError(key, value, f"the settings are: {', '.join(SETTINGS)}")
    if key in SWITCHES:
        return key, _switch(key, value)
    if key in CHOICES and value not in CHOICES[key]:
        raise InvalidRecipeError(key, value, f"give one of {', '.join(CHOICES[key])}")
    return key, _number(key, value) if key in RANGES else value


def _switch(key: str, value: str) -> bool:
    if value not in ("true", "false"):
        raise InvalidRecipeError(key, value, "give true or false")
    return value == "true"


def _number(key: str, value: str) -> int | float:
    number = int if key in _WHOLE else float
    try:
        return number(value)
    except ValueError as error:
        raise InvalidRecipeError(key, value, f"{key} is a number of type {number.__name__}") from error


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
