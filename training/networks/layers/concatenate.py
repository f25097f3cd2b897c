"""Two branches side by side as a layer with a name."""

import torch
from torch import Tensor, nn


class Concatenate(nn.Module):
    """[batch, a, ...] and [batch, b, ...] -> [batch, a + b, ...]."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return torch.cat([first, second], 1)
