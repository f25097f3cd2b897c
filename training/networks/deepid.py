"""DeepID (Sun, Wang, Tang 2014): the lecture's example of a whole CNN, whose last hidden layer is fed twice.

What differs: the third convolution shares its weights over the whole map (in the paper over 2x2 places) and the fourth
shares them too (in the paper every place has its own). The paper takes grey and colour patches; here they have 3
channels.
"""

from torch import Tensor, nn

from training.networks.layers.concatenate import Concatenate
from training.networks.layers.normalize import Normalize


def deepid(classes: int = 10) -> nn.Module:
    """39 x 31 colour pixels (height, width) -> 10 logits; 134,130 parameters."""
    return DeepId(classes)


class DeepId(nn.Module):
    """`deepid` sees the third pooling and, finer, what the fourth convolution makes of it."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.normalize = Normalize(3)  # 3x39x31
        self.conv1 = nn.Conv2d(3, 20, 4)  # 20x36x28
        self.relu1 = nn.ReLU()  # 20x36x28
        self.pool1 = nn.MaxPool2d(2)  # 20x18x14
        self.conv2 = nn.Conv2d(20, 40, 3)  # 40x16x12
        self.relu2 = nn.ReLU()  # 40x16x12
        self.pool2 = nn.MaxPool2d(2)  # 40x8x6
        self.conv3 = nn.Conv2d(40, 60, 3)  # 60x6x4
        self.relu3 = nn.ReLU()  # 60x6x4
        self.pool3 = nn.MaxPool2d(2)  # 60x3x2
        self.flatten3 = nn.Flatten()  # 360
        self.conv4 = nn.Conv2d(60, 80, 2)  # 80x2x1
        self.relu4 = nn.ReLU()  # 80x2x1
        self.flatten4 = nn.Flatten()  # 160
        self.both = Concatenate()  # 520
        self.deepid = nn.Linear(520, 160)  # 160
        self.relu5 = nn.ReLU()  # 160
        self.dense = nn.Linear(160, classes)  # 10

    def forward(self, pixels: Tensor) -> Tensor:
        pooled1 = self.pool1(self.relu1(self.conv1(self.normalize(pixels))))
        pooled2 = self.pool2(self.relu2(self.conv2(pooled1)))
        pooled3 = self.pool3(self.relu3(self.conv3(pooled2)))
        convolved4 = self.relu4(self.conv4(pooled3))
        both = self.both(self.flatten3(pooled3), self.flatten4(convolved4))
        return self.dense(self.relu5(self.deepid(both)))  # type: ignore[no-any-return] # torch's modules return Any
