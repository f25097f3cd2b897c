"""AlexNet (Krizhevsky, Sutskever, Hinton 2012) in one tower, as the lecture's table has it, and one for small pictures.

The paper split its layers over two GPUs, so that the second, fourth and fifth convolution saw half of the maps each;
here they see all. Padding "1.5" is 1 on one side and 2 on the other: 224 + 3 = 227 pixels.
"""

from collections import OrderedDict

from torch import nn

from training.networks.layers.local_response_norm import LocalResponseNorm
from training.networks.layers.normalize import Normalize


def alexnet(classes: int = 1000) -> nn.Sequential:
    """224x224 colour pixels -> 1000 logits; 62,378,344 parameters."""
    return nn.Sequential(
        OrderedDict(
            normalize=Normalize(3),  # 3x224x224
            pad1=nn.ZeroPad2d((1, 2, 1, 2)),  # 3x227x227
            conv1=nn.Conv2d(3, 96, 11, stride=4),  # 96x55x55
            relu1=nn.ReLU(),  # 96x55x55
            pool1=nn.MaxPool2d(3, stride=2),  # 96x27x27
            norm1=_normalization(),  # 96x27x27
            conv2=nn.Conv2d(96, 256, 5, padding=2),  # 256x27x27
            relu2=nn.ReLU(),  # 256x27x27
            pool2=nn.MaxPool2d(3, stride=2),  # 256x13x13
            norm2=_normalization(),  # 256x13x13
            conv3=nn.Conv2d(256, 384, 3, padding=1),  # 384x13x13
            relu3=nn.ReLU(),  # 384x13x13
            conv4=nn.Conv2d(384, 384, 3, padding=1),  # 384x13x13
            relu4=nn.ReLU(),  # 384x13x13
            conv5=nn.Conv2d(384, 256, 3, padding=1),  # 256x13x13
            relu5=nn.ReLU(),  # 256x13x13
            pool3=nn.MaxPool2d(3, stride=2),  # 256x6x6
            flatten=nn.Flatten(),  # 9216
            dropout6=nn.Dropout(),  # 9216
            fc6=nn.Linear(9216, 4096),  # 4096
            relu6=nn.ReLU(),  # 4096
            dropout7=nn.Dropout(),  # 4096
            fc7=nn.Linear(4096, 4096),  # 4096
            relu7=nn.ReLU(),  # 4096
            fc8=nn.Linear(4096, classes),  # 1000
        )
    )


def alexnet_small(classes: int = 10) -> nn.Sequential:
    """32x32 colour pixels -> 10 logits; 1,790,154 parameters: half the maps, a first kernel of 5x5 that moves by 1."""
    return nn.Sequential(
        OrderedDict(
            normalize=Normalize(3),  # 3x32x32
            conv1=nn.Conv2d(3, 48, 5, padding=2),  # 48x32x32
            relu1=nn.ReLU(),  # 48x32x32
            pool1=nn.MaxPool2d(3, stride=2),  # 48x15x15
            norm1=_normalization(),  # 48x15x15
            conv2=nn.Conv2d(48, 128, 5, padding=2),  # 128x15x15
            relu2=nn.ReLU(),  # 128x15x15
            pool2=nn.MaxPool2d(3, stride=2),  # 128x7x7
            norm2=_normalization(),  # 128x7x7
            conv3=nn.Conv2d(128, 192, 3, padding=1),  # 192x7x7
            relu3=nn.ReLU(),  # 192x7x7
            conv4=nn.Conv2d(192, 192, 3, padding=1),  # 192x7x7
            relu4=nn.ReLU(),  # 192x7x7
            conv5=nn.Conv2d(192, 128, 3, padding=1),  # 128x7x7
            relu5=nn.ReLU(),  # 128x7x7
            pool3=nn.MaxPool2d(3, stride=2),  # 128x3x3
            flatten=nn.Flatten(),  # 1152
            dropout6=nn.Dropout(),  # 1152
            fc6=nn.Linear(1152, 512),  # 512
            relu6=nn.ReLU(),  # 512
            dropout7=nn.Dropout(),  # 512
            fc7=nn.Linear(512, 512),  # 512
            relu7=nn.ReLU(),  # 512
            fc8=nn.Linear(512, classes),  # 10
        )
    )


def _normalization() -> LocalResponseNorm:
    """The paper's: 2 + 1e-4 times the sum over 5 channels. Torch and ONNX take the mean, hence 5e-4."""
    return LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
