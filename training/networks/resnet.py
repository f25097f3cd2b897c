"""Residual networks (He et al. 2015) with torchvision's module names, so that its published weights fit.

What torchvision computes inside a block's `forward`, the addition, is a module here: every layer has a name.
"""

from collections import OrderedDict
from collections.abc import Callable

from torch import Tensor, nn

from training.networks.layers.add import Add
from training.networks.layers.global_average_pool import GlobalAveragePool
from training.networks.layers.normalize import Normalize

Shortcut = Callable[[int, int, int], nn.Module]  # inputs, outputs, stride


def _projected(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside what comes in, which a `shortcut` brings to their shape where it changes."""

    def __init__(self, inputs: int, outputs: int, stride: int, shortcut: Shortcut = _projected) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None if stride == 1 else shortcut(inputs, outputs, stride)
        self.add = Add()
        self.relu2 = nn.ReLU()

    def forward(self, features: Tensor) -> Tensor:
        branch = self.relu1(self.bn1(self.conv1(features)))
        branch = self.bn2(self.conv2(branch))
        shortcut = features if self.downsample is None else self.downsample(features)
        return self.relu2(self.add(branch, shortcut))  # type: ignore[no-any-return] # torch's modules return Any


def resnet18(classes: int = 1000) -> nn.Sequential:
    """224x224 colour pixels -> 1000 logits; 11,689,512 parameters."""
    return nn.Sequential(
        OrderedDict(
            normalize=Normalize(3),  # 3x224x224
            conv1=nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False),  # 64x112x112
            bn1=nn.BatchNorm2d(64),  # 64x112x112
            relu=nn.ReLU(),  # 64x112x112
            maxpool=nn.MaxPool2d(3, stride=2, padding=1),  # 64x56x56
            layer1=_blocks(64, 64, stride=1),  # 64x56x56
            layer2=_blocks(64, 128, stride=2),  # 128x28x28
            layer3=_blocks(128, 256, stride=2),  # 256x14x14
            layer4=_blocks(256, 512, stride=2),  # 512x7x7
            avgpool=GlobalAveragePool(),  # 512x1x1
            flatten=nn.Flatten(),  # 512
            fc=nn.Linear(512, classes),  # 1000
        )
    )


def resnet34(classes: int = 1000) -> nn.Sequential:
    """224x224 colour pixels -> 1000 logits; 21,797,672 parameters: `resnet18` with twice the blocks."""
    return nn.Sequential(
        OrderedDict(
            normalize=Normalize(3),  # 3x224x224
            conv1=nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False),  # 64x112x112
            bn1=nn.BatchNorm2d(64),  # 64x112x112
            relu=nn.ReLU(),  # 64x112x112
            maxpool=nn.MaxPool2d(3, stride=2, padding=1),  # 64x56x56
            layer1=_blocks(64, 64, stride=1, count=3),  # 64x56x56
            layer2=_blocks(64, 128, stride=2, count=4),  # 128x28x28
            layer3=_blocks(128, 256, stride=2, count=6),  # 256x14x14
            layer4=_blocks(256, 512, stride=2, count=3),  # 512x7x7
            avgpool=GlobalAveragePool(),  # 512x1x1
            flatten=nn.Flatten(),  # 512
            fc=nn.Linear(512, classes),  # 1000
        )
    )


def resnet18_small(classes: int = 10) -> nn.Sequential:
    """32x32 colour pixels -> 10 logits; 11,173,962 parameters. Only the first kernel is smaller than in `resnet18`."""
    return nn.Sequential(
        OrderedDict(
            normalize=Normalize(3),  # 3x32x32
            conv1=nn.Conv2d(3, 64, 3, stride=2, padding=1, bias=False),  # 64x16x16
            bn1=nn.BatchNorm2d(64),  # 64x16x16
            relu=nn.ReLU(),  # 64x16x16
            maxpool=nn.MaxPool2d(3, stride=2, padding=1),  # 64x8x8
            layer1=_blocks(64, 64, stride=1),  # 64x8x8
            layer2=_blocks(64, 128, stride=2),  # 128x4x4
            layer3=_blocks(128, 256, stride=2),  # 256x2x2
            layer4=_blocks(256, 512, stride=2),  # 512x1x1
            avgpool=GlobalAveragePool(),  # 512x1x1
            flatten=nn.Flatten(),  # 512
            fc=nn.Linear(512, classes),  # 10
        )
    )


def resnet20(classes: int = 10) -> nn.Sequential:
    """32x32 colour pixels -> 10 logits; 269,722 parameters. The paper's for CIFAR-10 (section 4.2).

    No shortcut has a weight: where the shape changes, it takes every other place and puts maps of zeros beside.
    """
    return nn.Sequential(
        OrderedDict(
            normalize=Normalize(3),  # 3x32x32
            conv1=nn.Conv2d(3, 16, 3, padding=1, bias=False),  # 16x32x32
            bn1=nn.BatchNorm2d(16),  # 16x32x32
            relu=nn.ReLU(),  # 16x32x32
            layer1=_blocks(16, 16, stride=1, count=3),  # 16x32x32
            layer2=_blocks(16, 32, stride=2, count=3, shortcut=_padded),  # 32x16x16
            layer3=_blocks(32, 64, stride=2, count=3, shortcut=_padded),  # 64x8x8
            avgpool=GlobalAveragePool(),  # 64x1x1
            flatten=nn.Flatten(),  # 64
            fc=nn.Linear(64, classes),  # 10
        )
    )


def _padded(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    beside = (outputs - inputs) // 2
    places = nn.MaxPool2d(1, stride)
    return nn.Sequential(OrderedDict(places=places, pad=nn.ZeroPad3d((0, 0, 0, 0, beside, beside))))


def _blocks(inputs: int, outputs: int, stride: int, count: int = 2, shortcut: Shortcut = _projected) -> nn.Sequential:
    first = BasicBlock(inputs, outputs, stride, shortcut)
    return nn.Sequential(first, *(BasicBlock(outputs, outputs, 1, shortcut) for _ in range(count - 1)))
