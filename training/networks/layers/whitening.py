"""A first convolution that is computed from the images and not learnt: its outputs are uncorrelated, of one size.

Source: David Page, How to train your ResNet, part 8; KellerJordan/cifar10-airbench.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

EPSILON = 5e-4


class Whitening(nn.Conv2d):
    """2x2 kernels: each principal component of the patches, scaled by 1 / its deviation, and its negative.

    Only the bias learns. `measure` sets the kernels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, 8 * channels, 2)
        self.weight.requires_grad = False

    @torch.no_grad()
    def measure(self, pixels: Float[Tensor, "images channels height width"]) -> None:
        """From the patches of these images, as they come into the layer."""
        channels = pixels.shape[1]
        patches = pixels.unfold(2, 2, 1).unfold(3, 2, 1).permute(0, 2, 3, 1, 4, 5).reshape(-1, 4 * channels).double()
        variances, components = torch.linalg.eigh(patches.T @ patches / len(patches))
        kernels = (components / (variances + EPSILON).sqrt()).T.reshape(-1, channels, 2, 2).float()
        self.weight.copy_(torch.cat([kernels, -kernels]))
        nn.init.zeros_(self.bias)  # type: ignore[arg-type] # there is one
