"""Keras's two introductory CNNs for CIFAR-10, initialised as Keras does. Its softmax is the service's."""

from collections import OrderedDict

from torch import nn

from training.networks.layers.normalize import Normalize


def keras_1(classes: int = 10) -> nn.Sequential:
    """32x32 colour pixels -> 10 logits; 227,146 parameters. Without padding each convolution loses its edge."""
    return _initialized(
        nn.Sequential(
            OrderedDict(
                normalize=Normalize(3),  # 3x32x32
                conv1=nn.Conv2d(3, 32, 3),  # 32x30x30
                relu1=nn.ReLU(),  # 32x30x30
                pool1=nn.MaxPool2d(2),  # 32x15x15
                conv2=nn.Conv2d(32, 64, 3),  # 64x13x13
                relu2=nn.ReLU(),  # 64x13x13
                pool2=nn.MaxPool2d(2),  # 64x6x6
                conv3=nn.Conv2d(64, 128, 3),  # 128x4x4
                relu3=nn.ReLU(),  # 128x4x4
                pool3=nn.MaxPool2d(2),  # 128x2x2
                flatten=nn.Flatten(),  # 512
                dense1=nn.Linear(512, 256),  # 256
                relu4=nn.ReLU(),  # 256
                dense2=nn.Linear(256, classes),  # 10
            )
        )
    )


def keras_2(classes: int = 10) -> nn.Sequential:
    """32x32 colour pixels -> 10 logits; 2,122,186 parameters, 2,097,664 of them in the first dense layer."""
    return _initialized(
        nn.Sequential(
            OrderedDict(
                normalize=Normalize(3),  # 3x32x32
                conv1=nn.Conv2d(3, 32, 3, padding=1),  # 32x32x32
                relu1=nn.ReLU(),  # 32x32x32
                pool1=nn.MaxPool2d(2),  # 32x16x16
                conv2=nn.Conv2d(32, 64, 3, padding=1),  # 64x16x16
                relu2=nn.ReLU(),  # 64x16x16
                pool2=nn.MaxPool2d(2),  # 64x8x8
                flatten=nn.Flatten(),  # 4096
                dense1=nn.Linear(4096, 512),  # 512
                relu3=nn.ReLU(),  # 512
                dense2=nn.Linear(512, classes),  # 10
            )
        )
    )


def _initialized(network: nn.Sequential) -> nn.Sequential:
    """Kernels uniform after Glorot, biases 0: the defaults of Keras's Conv2D and Dense."""
    for module in network:
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)  # type: ignore[arg-type] # there is one
    return network
