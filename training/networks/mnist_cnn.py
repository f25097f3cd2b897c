"""The lecture's CNN at MNIST's size: 5x5 kernels as in LeNet-5, batch normalisation after each convolution."""

from collections import OrderedDict

from torch import nn

from training.networks.layers.normalize import Normalize


def mnist_cnn(classes: int = 10) -> nn.Sequential:
    """28x28 grey pixels -> 10 logits; 70,202 parameters."""
    return nn.Sequential(
        OrderedDict(
            normalize=Normalize(1),  # 1x28x28
            conv1=nn.Conv2d(1, 16, 5, padding=2),  # 16x28x28
            bn1=nn.BatchNorm2d(16),  # 16x28x28
            relu1=nn.ReLU(),  # 16x28x28
            pool1=nn.MaxPool2d(2),  # 16x14x14
            conv2=nn.Conv2d(16, 48, 5, padding=2),  # 48x14x14
            bn2=nn.BatchNorm2d(48),  # 48x14x14
            relu2=nn.ReLU(),  # 48x14x14
            pool2=nn.MaxPool2d(2),  # 48x7x7
            conv3=nn.Conv2d(48, 96, 3, padding=1),  # 96x7x7
            bn3=nn.BatchNorm2d(96),  # 96x7x7
            relu3=nn.ReLU(),  # 96x7x7
            pool3=nn.MaxPool2d(2),  # 96x3x3
            flatten=nn.Flatten(),  # 864
            dense=nn.Linear(864, classes),  # 10
        )
    )
