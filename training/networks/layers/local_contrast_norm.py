"""Local contrast normalisation (Jarrett, Kavukcuoglu, Ranzato, LeCun 2009): each place against its surroundings.

Per image, with fixed weights: nothing is trained and no other image matters.
"""

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name
from jaxtyping import Float
from torch import Tensor, nn

_FLAT = 1e-4  # the least divisor: an image of one colour stays 0


class LocalContrastNorm(nn.Module):
    """v = x - weighted mean; v / max(deviation, the image's mean deviation), [batch, channels, height, width].

    Mean and deviation are over `side` x `side` places and all channels, with Gaussian weights whose standard deviation
    is a quarter of the side (the paper gives none). Beyond the edge the picture goes on as it ends.
    """

    weights: Tensor

    def __init__(self, side: int = 9) -> None:
        if side % 2 == 0:
            raise ValueError(f"LocalContrastNorm over {side}x{side} places has no middle one; give an odd side")
        super().__init__()
        self.register_buffer("weights", _gaussian(side)[None, None])

    def forward(self, features: Tensor) -> Tensor:
        centred = features - self._surroundings(features)
        deviation = self._surroundings(centred * centred).sqrt()
        typical = deviation.mean((2, 3), keepdim=True)
        return centred / torch.maximum(deviation, typical).clamp(min=_FLAT)

    def _surroundings(self, values: Tensor) -> Float[Tensor, "batch one height width"]:
        beyond = self.weights.shape[-1] // 2
        over_channels = values.mean(1, keepdim=True)
        return F.conv2d(F.pad(over_channels, (beyond,) * 4, mode="replicate"), self.weights)


def _gaussian(side: int) -> Float[Tensor, "side side"]:
    """Sums to 1."""
    distance = torch.arange(side) - side // 2
    along = torch.exp(-0.5 * (distance / (side / 4)) ** 2)
    return torch.outer(along, along) / along.sum() ** 2
