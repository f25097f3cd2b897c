"""Small random rotations, scalings and shifts of a whole batch at once. Knows no network and no label."""

import math

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name
from jaxtyping import Float32
from torch import Tensor

from training.tensors import Images, WarpedImages


def warped(images: Images, rotation: float, scale: float, shift: float) -> WarpedImages:
    """Each image turned by up to `rotation` degrees, resized by up to the share `scale`, moved by up to `shift` pixels.

    All uniform in both directions and drawn from torch's global generator. Bilinear; what comes in at the edge is 0.
    """
    count, height, width, channels = images.shape
    grid = F.affine_grid(
        _placements(count, (height, width), rotation, scale, shift),
        [count, channels, height, width],
        align_corners=False,
    )
    moved = F.grid_sample(images.permute(0, 3, 1, 2).float(), grid, align_corners=False)
    return moved.permute(0, 2, 3, 1)


def mirrored(images: Images, share: float) -> Images:
    """About this share of the images, drawn from torch's global generator, with left and right exchanged."""
    if not share:  # and then no number is drawn
        return images
    chosen = torch.rand(len(images)) < share
    return torch.where(chosen[:, None, None, None], images.flip(2), images)


def _placements(
    count: int, size: tuple[int, int], rotation: float, scale: float, shift: float
) -> Float32[Tensor, "images 2 3"]:
    """Affine maps from output to input places. `affine_grid` measures each axis from -1 to 1, hence 2 / side."""
    height, width = size
    angle = _uniform(count) * math.radians(rotation)
    zoom = 1 + _uniform(count) * scale
    cosine, sine = angle.cos() * zoom, angle.sin() * zoom
    right, down = _uniform(count) * shift * 2 / width, _uniform(count) * shift * 2 / height
    aspect = height / width
    return torch.stack(
        [torch.stack([cosine, -sine * aspect, right], 1), torch.stack([sine / aspect, cosine, down], 1)], 1
    )


def _uniform(count: int) -> Float32[Tensor, " images"]:
    return torch.rand(count) * 2 - 1
