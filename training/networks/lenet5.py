"""LeNet-5 (LeCun, Bottou, Bengio, Haffner 1998): the first convolutional network that went to work, on cheques.

What differs: 28x28 pixels padded by 2 in place of 32x32; every map of the second convolution sees all six of the
first; pooling is a plain average, without a factor and a bias of its own; tanh is not scaled; the outputs are logits
and not distances to drawn digits. Hence 61,706 parameters in place of the paper's 60,000.
"""

from collections import OrderedDict

from torch import nn

from training.networks.layers.normalize import Normalize


def lenet5(classes: int = 10) -> nn.Sequential:
    """28x28 grey pixels -> 10 logits; 61,706 parameters."""
    return nn.Sequential(
        OrderedDict(
            normalize=Normalize(1),  # 1x28x28
            conv1=nn.Conv2d(1, 6, 5, padding=2),  # 6x28x28
            tanh1=nn.Tanh(),  # 6x28x28
            pool1=nn.AvgPool2d(2),  # 6x14x14
            conv2=nn.Conv2d(6, 16, 5),  # 16x10x10
            tanh2=nn.Tanh(),  # 16x10x10
            pool2=nn.AvgPool2d(2),  # 16x5x5
            conv3=nn.Conv2d(16, 120, 5),  # 120x1x1
            tanh3=nn.Tanh(),  # 120x1x1
            flatten=nn.Flatten(),  # 120
            dense1=nn.Linear(120, 84),  # 84
            tanh4=nn.Tanh(),  # 84
            dense2=nn.Linear(84, classes),  # 10
        )
    )
