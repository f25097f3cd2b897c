"""The sum of two branches as a layer with a name."""

from torch import Tensor, nn


class Add(nn.Module):
    """Two branches of one shape, summed element by element."""

    def forward(self, branch: Tensor, shortcut: Tensor) -> Tensor:
        return branch + shortcut
