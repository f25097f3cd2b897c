"""A data set in memory, and how a part of it is held out. Knows no file and no network."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from training.tensors import Images, Labels


@dataclass(frozen=True)
class Examples:
    """Images, uint8 0..255, with the index of each one's class."""

    images: Images
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, mask: Bool[Tensor, " images"]) -> "Examples":
        return Examples(self.images[mask], self.labels[mask])


@dataclass(frozen=True)
class Dataset:
    """`test` chooses no epoch and no weight; `description` names the test part beside the figures measured on it."""

    class_names: tuple[str, ...]
    training: Examples
    test: Examples
    description: str


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
