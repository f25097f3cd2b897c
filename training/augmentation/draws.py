"""All random numbers that change one batch, drawn at once on the CPU. Knows no pixel.

Processes that train together draw the same numbers for the whole batch and keep their part of them: what becomes of
an image does not depend on how many they are, nor on the device.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from training.recipes.recipe import Mirror, Recipe

Floats = Float32[Tensor, " images"]
Wholes = Int64[Tensor, " images"]
Mask = Bool[Tensor, " images"]


@dataclass(frozen=True, kw_only=True)
class Draws:
    """One number for each image and kind of change; None for what the recipe switches off."""

    crop_right: Wholes | None = None  # pixels from the image's left edge to the crop's, negative outside the image
    crop_down: Wholes | None = None
    mirrored: Mask | None = None
    angle: Floats | None = None  # radians
    zoom: Floats | None = None  # above 1 the content becomes smaller by this factor, below 1 larger
    right: Floats | None = None  # pixels from where the content is to where it is sought
    down: Floats | None = None
    brightness: Floats | None = None  # factor on every pixel
    contrast: Floats | None = None  # factor on the distance to the image's mean
    erased_right: Wholes | None = None  # pixels from the image's left edge to the erased square's
    erased_down: Wholes | None = None
    erased_side: int = 0  # pixels, the same for all images
    partner: Wholes | None = None  # place in the whole batch of the image that is mixed in
    share: Floats | None = None  # of the image itself in the mix; the partner has the rest

    def at(self, places: Wholes) -> "Draws":
        """Those of the images at these places of the batch, in their order."""
        return self._each(lambda numbers: numbers[places])

    def part(self, rank: int, world: int) -> "Draws":
        """Those of every `world`-th image, from the one at place `rank`."""
        return self._each(lambda numbers: numbers[rank::world])

    def to(self, device: torch.device) -> "Draws":
        return self._each(lambda numbers: numbers.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Draws":
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        changed: dict[str, Any] = {name: change(held) for name, held in values.items() if isinstance(held, Tensor)}
        return replace(self, **changed)


def drawn(
    recipe: Recipe, images: int, size: tuple[int, int], generator: torch.Generator, *, indices: Wholes, epoch: int
) -> Draws:
    """The draws for a whole batch of this many images of `size` (height, width), from `generator` only.

    `indices` are the images' own in the training part, where the alternating mirror needs them.
    """
    height, width = size
    side, crop = recipe.erased_side, recipe.crop_pixels
    return Draws(
        crop_right=_whole(images, -crop, crop, generator) if crop else None,
        crop_down=_whole(images, -crop, crop, generator) if crop else None,
        mirrored=_mirrored(recipe.mirror, indices, epoch, generator),
        angle=_around(0.0, math.radians(recipe.rotation_degrees), images, generator),
        zoom=_around(1.0, recipe.scale_share, images, generator),
        right=_around(0.0, recipe.shift_pixels, images, generator),
        down=_around(0.0, recipe.shift_pixels, images, generator),
        brightness=_around(1.0, recipe.brightness_share, images, generator),
        contrast=_around(1.0, recipe.contrast_share, images, generator),
        erased_right=_whole(images, 0, max(0, width - side), generator) if side else None,
        erased_down=_whole(images, 0, max(0, height - side), generator) if side else None,
        erased_side=side,
        partner=torch.randperm(images, generator=generator) if recipe.mixup_alpha else None,
        share=_shares(recipe.mixup_alpha, images, generator) if recipe.mixup_alpha else None,
    )


def _around(centre: float, most: float, count: int, generator: torch.Generator) -> Floats | None:
    """Uniform from `centre - most` to `centre + most`."""
    return centre + most * (2 * torch.rand(count, generator=generator) - 1) if most else None


def _whole(count: int, least: int, most: int, generator: torch.Generator) -> Wholes:
    """Uniform over the whole numbers from `least` to `most`, both included."""
    return torch.randint(least, most + 1, (count,), generator=generator)


def _mirrored(mirror: Mirror, indices: Wholes, epoch: int, generator: torch.Generator) -> Mask | None:
    """Alternating: half of the images in one epoch and the other half in the next (airbench), which nobody draws."""
    if mirror == "none":
        return None
    if mirror == "random":
        return _whole(len(indices), 0, 1, generator).bool()
    return (_scrambled(indices) + epoch) % 2 == 1


def _scrambled(indices: Wholes) -> Wholes:
    """A fixed hash, 0..2^32 - 1, of every index: the last step of MurmurHash3, whose every bit is as good as chance."""
    hashed = indices & 0xFFFFFFFF
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        hashed = ((hashed ^ (hashed >> shift)) * factor) & 0xFFFFFFFF
    return hashed ^ (hashed >> 16)


def _shares(alpha: float, count: int, generator: torch.Generator) -> Floats:
    """From the distribution Beta(alpha, alpha); PyTorch's own takes no generator, so NumPy's starts from ours."""
    seed = int(torch.randint(2**62, (), generator=generator))
    return torch.from_numpy(np.random.default_rng(seed).beta(alpha, alpha, count)).float()
