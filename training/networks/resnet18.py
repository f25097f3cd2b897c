"""ResNet-18 (He et al. 2015) with torchvision's module names, so that its published weights fit.

What torchvision computes inside a block's `forward`, the addition, is a module here: every layer has a name.
"""

from collections import OrderedDict

from torch import Tensor, nn

from training.networks.global_average_pool import GlobalAveragePool
from training.networks.normalize import Normalize


class Add(nn.Module):
    """Two branches of one shape, summed element by element."""

    def forward(self, branch: Tensor, shortcut: Tensor) -> Tensor:
        return branch + shortcut


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, which is a 1x1 convolution where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = _shortcut(inputs, outputs, stride)
        self.add = Add()
        self.relu2 = nn.ReLU()

    def forward(self, features: Tensor) -> Tensor:
        branch = self.relu1(self.bn1(self.conv1(features)))
        branch = self.bn2(self.conv2(branch))
        shortcut = features if self.downsample is None else self.downsample(features)
        return self.relu2(self.add(branch, shortcut))  # type: ignore[no-any-return] # torch's modules return Any


def resnet18() -> nn.Sequential:
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
            fc=nn.Linear(512, 1000),  # 1000
        )
    )


def resnet18_small() -> nn.Sequential:
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
            fc=nn.Linear(512, 10),  # 10
        )
    )


def _blocks(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(BasicBlock(inputs, outputs, stride), BasicBlock(outputs, outputs, stride=1))


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    if stride == 1:
        return None
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
