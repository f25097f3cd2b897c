"""What the tests of augmentation share: images of any size, recipes that change only what is asked, their draws."""

from dataclasses import replace

import torch
from hypothesis import strategies as st

from training.augmentation import Draws, drawn
from training.recipes import Recipe
from training.recipes.digits import DIGITS

STILL = replace(DIGITS, rotation_degrees=0.0, scale_share=0.0, shift_pixels=0.0)
EVERYTHING = replace(
    STILL,
    rotation_degrees=20.0,
    scale_share=0.2,
    shift_pixels=1.5,
    crop_pixels=2,
    mirror="random",
    erased_side=3,
    brightness_share=0.4,
    contrast_share=0.4,
    mixup_alpha=0.5,
)

shapes = st.tuples(st.integers(1, 6), st.integers(1, 9), st.integers(1, 9), st.sampled_from((1, 3)))
seeds = st.integers(0, 10_000)


def noise(shape: tuple[int, int, int, int], seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed)).to(torch.uint8)


def draws_of(recipe: Recipe, images: torch.Tensor, seed: int = 0, epoch: int = 1) -> Draws:
    count, height, width, _ = images.shape
    generator = torch.Generator().manual_seed(seed)
    return drawn(recipe, count, (height, width), generator, indices=torch.arange(count), epoch=epoch)
