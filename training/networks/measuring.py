"""The weights that a network takes from the images before its first step."""

from torch import nn

from training.networks.layers.normalize import Normalize
from training.networks.layers.whitening import Whitening
from training.tensors import Images

PATCHED_IMAGES = 5000


def measure(network: nn.Module, images: Images) -> None:
    """Mean and deviation of the pixels, then the kernels that whiten what the normalisation gives."""
    normalize = network.get_submodule("normalize")
    if isinstance(normalize, Normalize):
        normalize.measure(images)
    for module in network.modules():
        if isinstance(module, Whitening):
            module.measure(normalize(images[:PATCHED_IMAGES]))
