"""Small rotations, scalings and shifts by parts of a pixel, of a whole batch at once."""

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name
from jaxtyping import Float32
from torch import Tensor

from training.tensors import Pixels, WarpedImages

Floats = Float32[Tensor, " images"]


def warped(images: Pixels, angle: Floats, zoom: Floats, right: Floats, down: Floats) -> WarpedImages:
    """Each image sampled at places turned by `angle` radians, `zoom` times as far from the centre and then moved.

    Bilinear; what comes in at the edge is 0.
    """
    grid = _places(images.shape[1], images.shape[2], angle.cos() * zoom, angle.sin() * zoom, right, down)
    moved = F.grid_sample(images.permute(0, 3, 1, 2).float(), grid, align_corners=False)
    return moved.permute(0, 2, 3, 1)


def _places(
    height: int, width: int, cosine: Floats, sine: Floats, right: Floats, down: Floats
) -> Float32[Tensor, "images height width 2"]:
    """Where each output pixel is sampled, as `grid_sample` measures: x and y from -1 to 1 between the outer edges.

    Number by number: the product of matrices in `affine_grid` took 10 ms instead of 4 ms for 1,000 images of 32x32
    on one core.
    """
    y = _centres(height, cosine)[None, :, None]  # pixels from the centre of the image
    x = _centres(width, cosine)[None, None, :]
    cosine, sine, right, down = (number[:, None, None] for number in (cosine, sine, right, down))
    columns = cosine * x + (right - sine * y)
    rows = sine * x + (cosine * y + down)
    return torch.stack([columns * (2 / width), rows * (2 / height)], dim=3)


def _centres(side: int, like: Tensor) -> Float32[Tensor, " side"]:
    return torch.arange(side, dtype=like.dtype, device=like.device) - (side - 1) / 2
