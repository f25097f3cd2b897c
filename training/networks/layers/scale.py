"""A constant factor as a layer of its own."""

from torch import Tensor, nn


class Scale(nn.Module):
    """Every value times `factor`."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, values: Tensor) -> Tensor:
        return values * self.factor
