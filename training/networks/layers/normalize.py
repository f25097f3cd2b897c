"""The first layer of every network: pixels as decoded become numbers around zero, inside the graph."""

import torch
from torch import Tensor, nn

from training.tensors import Images


class Normalize(nn.Module):
    """Pixels [batch, height, width, channels], 0..255 -> (pixel - mean) / std, [batch, channels, height, width].

    Mean and standard deviation are buffers in grey levels, one per channel: they travel with the weights.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("std", torch.ones(channels, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        return (pixels.permute(0, 3, 1, 2).float() - self.mean) / self.std

    def measure(self, images: Images) -> None:
        """Takes the mean and standard deviation of these images, over all but the channel axis."""
        counts = [
            images[..., channel].flatten().bincount(minlength=256).double() for channel in range(images.shape[-1])
        ]
        for channel, count in enumerate(counts):
            levels = torch.arange(256, dtype=torch.double)
            mean = (count * levels).sum() / count.sum()
            self.mean[channel] = mean
            self.std[channel] = ((count * (levels - mean) ** 2).sum() / count.sum()).sqrt().clamp(min=1)
