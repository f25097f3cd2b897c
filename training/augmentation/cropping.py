"""Moves by whole pixels and mirroring: no pixel changes its value, only its place."""

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from training.tensors import Images


def cropped(
    images: Images, down: Int64[Tensor, " images"], right: Int64[Tensor, " images"], mirrored: Bool[Tensor, " images"]
) -> Images:
    """Each image seen through a window of its own size, moved by so many pixels, then mirrored where told so.

    Outside lies its mirror image, the edge not repeated. One gather: 3.7 ms for 1,000 images of 32x32x3 on one core,
    where a masked copy for every offset took 15.7 ms and indexing with three tensors 14.4 ms.
    """
    count, height, width, channels = images.shape
    places = torch.arange(max(count, height, width), device=images.device)
    rows = reflected(places[:height] + down[:, None], height)
    columns = torch.where(mirrored[:, None], width - 1 - places[:width], places[:width])
    columns = reflected(columns + right[:, None], width)
    first = (places[:count, None] * height + rows) * width
    return (
        images.reshape(-1, channels).index_select(0, (first[:, :, None] + columns[:, None]).flatten()).view_as(images)
    )


def reflected(places: Int64[Tensor, "*axes"], side: int) -> Int64[Tensor, "*axes"]:
    """Where along an axis of `side` pixels the pixels lie that are seen at these places, as between two mirrors."""
    if side == 1:
        return torch.zeros_like(places)
    there_and_back = 2 * (side - 1)
    place = places.remainder(there_and_back)
    return torch.minimum(place, there_and_back - place)
