"""Test-time augmentation: the mean answer over several views of each image. Knows no network and no file format."""

from collections.abc import Callable

import torch

from training.augmentation.cropping import reflected
from training.recipes.recipe import TestTime
from training.tensors import Images, Logits


def view_logits(answer: Callable[[Images], Logits], images: Images, views: TestTime) -> Logits:
    """The mean of what `answer` gives for the views, as in airbench: of logits, not of probabilities.

    "mirror" takes the image and its mirror image. "shift" takes half of the image's own answer and a quarter each of
    those for it moved by a pixel along one diagonal, in both directions. "mirror+shift" takes both: six views.
    """
    if "mirror" in views:
        return _shifted_logits(lambda images: (answer(images) + answer(images.flip(2))) / 2, images, views)
    return _shifted_logits(answer, images, views)


def _shifted_logits(answer: Callable[[Images], Logits], images: Images, views: TestTime) -> Logits:
    if "shift" not in views:
        return answer(images)
    return answer(images) / 2 + (answer(_moved(images, -1)) + answer(_moved(images, 1))) / 4


def _moved(images: Images, pixels: int) -> Images:
    """Seen through a window moved down and right by so many pixels; outside lies the mirrored edge."""
    height, width = (torch.arange(side, device=images.device) for side in images.shape[1:3])
    rows, columns = reflected(height + pixels, len(height)), reflected(width + pixels, len(width))
    return images.index_select(1, rows).index_select(2, columns)
