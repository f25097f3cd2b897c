"""Mixup (Zhang et al. 2018): two images and their labels become one between them. Knows no recipe."""

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name
from jaxtyping import Float32
from torch import Tensor

from training.tensors import Labels, Pixels, SoftLabels, WarpedImages

Shares = Float32[Tensor, " images"]


def targets(labels: Labels, classes: int, label_smoothing: float) -> SoftLabels:
    """What `F.cross_entropy` aims at with this smoothing: `1 - label_smoothing` at the label, the rest over all."""
    return F.one_hot(labels, classes) * (1 - label_smoothing) + label_smoothing / classes


def mixed(pixels: Pixels, partners: Pixels, share: Shares) -> WarpedImages:
    """`share` of each image and the rest of its partner."""
    return torch.lerp(partners.float(), pixels.float(), share[:, None, None, None])


def mixed_targets(own: SoftLabels, partners: SoftLabels, share: Shares) -> SoftLabels:
    return torch.lerp(partners, own, share[:, None])
