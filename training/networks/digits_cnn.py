"""The lecture's CNN for handwritten digits: (convolution + ReLU + pooling) x 2, flatten, dense."""

from collections import OrderedDict

from torch import nn

from training.networks.layers.normalize import Normalize


def digits_cnn(classes: int = 10) -> nn.Sequential:
    """8x8 grey pixels -> 10 logits; 21,386 parameters."""
    return nn.Sequential(
        OrderedDict(
            normalize=Normalize(1),  # 1x8x8
            conv1=nn.Conv2d(1, 32, 3, padding=1),  # 32x8x8
            relu1=nn.ReLU(),  # 32x8x8
            pool1=nn.MaxPool2d(2),  # 32x4x4
            conv2=nn.Conv2d(32, 64, 3, padding=1),  # 64x4x4
            relu2=nn.ReLU(),  # 64x4x4
            pool2=nn.MaxPool2d(2),  # 64x2x2
            flatten=nn.Flatten(),  # 256
            dense=nn.Linear(256, classes),  # 10
        )
    )
