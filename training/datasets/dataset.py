"""A data set in memory, and how a part of it is held out. Knows no file and no network."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from service.images.preprocessing import Preprocessing
from training.datasets.memory import exceeds_memory, room
from training.errors import InvalidRecipeError
from training.tensors import Images, Labels


@dataclass(frozen=True)
class Examples:
    """Images, uint8 0..255, with the index of each one's class."""

    images: Images
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, mask: Bool[Tensor, " images"]) -> "Examples":
        """A copy of those; in a temporary file where memory would not hold it."""
        chosen = mask.nonzero().flatten()
        if self.images.device.type != "cpu":
            return Examples(self.images[chosen], self.labels[chosen])
        shape = (len(chosen), *self.images.shape[1:])
        images = room(shape, in_file=exceeds_memory(math.prod(shape)))
        torch.index_select(self.images, 0, chosen, out=images)
        return Examples(images, self.labels[chosen])


@dataclass(frozen=True)
class Dataset:
    """`test` chooses no epoch and no weight; `description` names the test part beside the figures measured on it.

    `validation` is what the data set itself sets aside to choose by; None where that is left to the recipe.
    `preprocessing` made the images of what was decoded, and makes them in the service. `skipped` has a sentence for
    each file that could not be read, `notes` what else a person should know of how the files were taken.
    """

    class_names: tuple[str, ...]
    training: Examples
    test: Examples
    description: str
    preprocessing: Preprocessing
    validation: Examples | None = None
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of its images."""
        height, width, channels = self.training.images.shape[1:]
        return height, width, channels


def stretched(height: int, width: int, channels: int) -> Preprocessing:
    """How the service brings a picture to this size, for data sets whose images have it already."""
    return Preprocessing(height=height, width=width, color="gray" if channels == 1 else "rgb", dtype="uint8")


def parts(dataset: Dataset, validation_every: int) -> tuple[Examples, Examples]:
    """(what is trained on, what is held out to choose by): the data set's own parts, else as `split` gives them.

    Raises InvalidRecipeError where that leaves nothing to choose by.
    """
    if dataset.validation is not None:
        return dataset.training, dataset.validation
    training, validation = split(dataset.training, validation_every)
    if not len(validation):
        raise InvalidRecipeError("validation_every", validation_every, "no class has that many images: lower it")
    return training, validation


def split(examples: Examples, every: int) -> tuple[Examples, Examples]:
    """(the rest, every n-th image of each class in file order): a stratified 1/n without a random number.

    No seed and no library version can change what was held out.
    """
    held_out = held_out_mask(examples.labels, every)
    return examples.where(~held_out), examples.where(held_out)


def held_out_mask(labels: Labels, every: int) -> Bool[Tensor, " images"]:
    """True for one image in each `every` of a class, the one in their middle."""
    mask = torch.zeros(len(labels), dtype=torch.bool)
    for label in set(labels.tolist()):
        mask[(labels == label).nonzero().flatten()[every // 2 :: every]] = True
    return mask
