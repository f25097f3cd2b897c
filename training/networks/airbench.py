"""Networks made to learn in a few passes: after airbench94 and airbench96 (Keller Jordan 2024, arXiv 2404.00498).

Convolutions begin as the identity on their first channels; normalisation learns no scale, so that Muon can fix the
kernels' norm.
"""

from collections import OrderedDict

from torch import Tensor, nn

from training.networks.layers.add import Add
from training.networks.layers.global_max_pool import GlobalMaxPool
from training.networks.layers.normalize import Normalize
from training.networks.layers.scale import Scale
from training.networks.layers.whitening import Whitening


def airbench(classes: int = 10) -> nn.Sequential:
    """32x32 colour pixels -> logits; 1,972,792 parameters, 288 of which do not learn."""
    return nn.Sequential(
        OrderedDict(
            normalize=Normalize(3),  # 3x32x32
            whiten=Whitening(3),  # 24x31x31
            gelu=nn.GELU(),  # 24x31x31
            group1=_group(24, 64),  # 64x15x15
            group2=_group(64, 256),  # 256x7x7
            group3=_group(256, 256),  # 256x3x3
            pool=GlobalMaxPool(),  # 256x1x1
            flatten=nn.Flatten(),  # 256
            dense=_dense(256, classes),  # 10
            scale=Scale(1 / 256),  # 10
        )
    )


def airbench_gray(classes: int = 10) -> nn.Sequential:
    """28x28 grey pixels -> logits; 1,151,784 parameters."""
    return nn.Sequential(
        OrderedDict(
            normalize=Normalize(1),  # 1x28x28
            whiten=Whitening(1),  # 8x27x27
            gelu=nn.GELU(),  # 8x27x27
            group1=_group(8, 64),  # 64x13x13
            group2=_group(64, 128),  # 128x6x6
            group3=_group(128, 256),  # 256x3x3
            pool=GlobalMaxPool(),  # 256x1x1
            flatten=nn.Flatten(),  # 256
            dense=_dense(256, classes),  # 10
            scale=Scale(1 / 256),  # 10
        )
    )


def airbench_gray_deep(classes: int = 10) -> nn.Sequential:
    """28x28 grey pixels -> logits; 1,926,824 parameters: a third convolution in each group, for longer training."""
    return nn.Sequential(
        OrderedDict(
            normalize=Normalize(1),  # 1x28x28
            whiten=Whitening(1),  # 8x27x27
            gelu=nn.GELU(),  # 8x27x27
            group1=DeepGroup(8, 64),  # 64x13x13
            group2=DeepGroup(64, 128),  # 128x6x6
            group3=DeepGroup(128, 256),  # 256x3x3
            pool=GlobalMaxPool(),  # 256x1x1
            flatten=nn.Flatten(),  # 256
            dense=_dense(256, classes),  # 10
            scale=Scale(1 / 256),  # 10
        )
    )


class DeepGroup(nn.Module):
    """Three 3x3 convolutions; what the first gave is added to what the other two make of it. Halves the side."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = _convolution(inputs, outputs)
        self.pool = nn.MaxPool2d(2)
        self.bn1 = _normalization(outputs)
        self.gelu1 = nn.GELU()
        self.conv2 = _convolution(outputs, outputs)
        self.bn2 = _normalization(outputs)
        self.gelu2 = nn.GELU()
        self.conv3 = _convolution(outputs, outputs)
        self.bn3 = _normalization(outputs)
        self.add = Add()
        self.gelu3 = nn.GELU()

    def forward(self, features: Tensor) -> Tensor:
        first = self.gelu1(self.bn1(self.pool(self.conv1(features))))
        branch = self.gelu2(self.bn2(self.conv2(first)))
        branch = self.bn3(self.conv3(branch))
        return self.gelu3(self.add(branch, first))  # type: ignore[no-any-return] # torch's modules return Any


def _group(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            conv1=_convolution(inputs, outputs),
            pool=nn.MaxPool2d(2),  # before the normalisation: a quarter of its work
            bn1=_normalization(outputs),
            gelu1=nn.GELU(),
            conv2=_convolution(outputs, outputs),
            bn2=_normalization(outputs),
            gelu2=nn.GELU(),
        )
    )


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    nn.init.dirac_(convolution.weight[:inputs])
    return convolution


def _normalization(channels: int) -> nn.BatchNorm2d:
    """Its average follows fast, because there are few steps."""
    normalization = nn.BatchNorm2d(channels, momentum=0.4)
    normalization.weight.requires_grad = False
    return normalization


def _dense(inputs: int, classes: int) -> nn.Linear:
    dense = nn.Linear(inputs, classes, bias=False)
    nn.init.normal_(dense.weight)
    return dense
