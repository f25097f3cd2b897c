"""What to do about classes of unequal size, from their labels alone: weigh the rare ones more, or draw them more often.

Knows no image and no loss.
"""

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from training.errors import UnfitLabelsError
from training.tensors import Labels

Indices = Int64[Tensor, " of_class"]


def class_weights(labels: Labels, classes: int) -> Float32[Tensor, " classes"]:
    """Images / (classes * images of the class), whose mean over the images is 1, so that the loss keeps its scale.

    Source: King and Zeng 2001, Logistic Regression in Rare Events Data; scikit-learn's class_weight="balanced".
    """
    counts = _counts(labels, classes)
    return len(labels) / (classes * counts.to(torch.float32))


def balanced_order(labels: Labels, generator: torch.Generator) -> Labels:
    """As many indices as images, of every class equally often (one more where they do not divide), in random order.

    Of a large class some images are left out, of a small one all are drawn several times; which, the generator decides.
    The classes are 0 to the highest label.
    """
    classes = int(labels.max()) + 1 if len(labels) else 1
    _counts(labels, classes)
    lucky = torch.randperm(classes, generator=generator) < len(labels) % classes
    draws = [len(labels) // classes + int(more) for more in lucky]
    drawn = [_drawn((labels == label).nonzero().flatten(), count, generator) for label, count in enumerate(draws)]
    return torch.cat(drawn)[torch.randperm(len(labels), generator=generator)]


def _drawn(indices: Indices, count: int, generator: torch.Generator) -> Int64[Tensor, " drawn"]:
    """None is drawn again before all of the class have been."""
    rounds = -(-count // len(indices))
    orders = [torch.randperm(len(indices), generator=generator) for _ in range(rounds)]
    return indices[torch.cat(orders)[:count]] if orders else indices[:0]


def _counts(labels: Labels, classes: int) -> Int64[Tensor, " classes"]:
    counts = torch.bincount(labels, minlength=classes)
    if len(counts) > classes:
        raise UnfitLabelsError(f"label {len(counts) - 1} is outside the {classes} classes", "labels count from 0")
    if not counts.all():
        label = int((counts == 0).nonzero()[0])
        raise UnfitLabelsError(
            f"class number {label} has no image to train on, so that no weight can balance it",
            "add some, remove the class, or train without: --set balance=none",
        )
    return counts
