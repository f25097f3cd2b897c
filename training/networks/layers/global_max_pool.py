"""The largest value of each feature map, as a module that the exporter gives as one node."""

from torch import Tensor, nn


class GlobalMaxPool(nn.Module):
    """[batch, channels, height, width] -> [batch, channels, 1, 1]."""

    def forward(self, features: Tensor) -> Tensor:
        return features.amax((2, 3), keepdim=True)
