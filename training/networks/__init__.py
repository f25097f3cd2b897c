"""The networks by name. Each takes pixels as decoded, [batch, height, width, channels], and gives logits.

A network is a function that builds its modules, random weights included; its module names are the layer ids that
the service shows.
"""

from collections.abc import Callable

from torch import nn

from training.networks.digits_cnn import digits_cnn
from training.networks.mnist_cnn import mnist_cnn
from training.networks.resnet18 import resnet18, resnet18_small

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    network.__name__: network for network in (digits_cnn, mnist_cnn, resnet18, resnet18_small)
}
