"""VGG (Simonyan, Zisserman 2014): nothing but 3x3 convolutions, ever more of them. torchvision's module names.

Its published weights fit: `features.0` to `classifier.6`. At 224x224 its average pooling to 7x7 changes nothing and
has no place here.
"""

from collections import OrderedDict

from torch import nn

from training.networks.layers.normalize import Normalize


def vgg11(classes: int = 1000) -> nn.Sequential:
    """224x224 colour pixels -> 1000 logits; 132,863,336 parameters."""
    return _initialized(
        nn.Sequential(
            OrderedDict(
                normalize=Normalize(3),  # 3x224x224
                features=nn.Sequential(
                    nn.Conv2d(3, 64, 3, padding=1),  # 64x224x224
                    nn.ReLU(),  # 64x224x224
                    nn.MaxPool2d(2),  # 64x112x112
                    nn.Conv2d(64, 128, 3, padding=1),  # 128x112x112
                    nn.ReLU(),  # 128x112x112
                    nn.MaxPool2d(2),  # 128x56x56
                    nn.Conv2d(128, 256, 3, padding=1),  # 256x56x56
                    nn.ReLU(),  # 256x56x56
                    nn.Conv2d(256, 256, 3, padding=1),  # 256x56x56
                    nn.ReLU(),  # 256x56x56
                    nn.MaxPool2d(2),  # 256x28x28
                    nn.Conv2d(256, 512, 3, padding=1),  # 512x28x28
                    nn.ReLU(),  # 512x28x28
                    nn.Conv2d(512, 512, 3, padding=1),  # 512x28x28
                    nn.ReLU(),  # 512x28x28
                    nn.MaxPool2d(2),  # 512x14x14
                    nn.Conv2d(512, 512, 3, padding=1),  # 512x14x14
                    nn.ReLU(),  # 512x14x14
                    nn.Conv2d(512, 512, 3, padding=1),  # 512x14x14
                    nn.ReLU(),  # 512x14x14
                    nn.MaxPool2d(2),  # 512x7x7
                ),  # 512x7x7
                flatten=nn.Flatten(),  # 25088
                classifier=nn.Sequential(
                    nn.Linear(25088, 4096),  # 4096
                    nn.ReLU(),  # 4096
                    nn.Dropout(),  # 4096
                    nn.Linear(4096, 4096),  # 4096
                    nn.ReLU(),  # 4096
                    nn.Dropout(),  # 4096
                    nn.Linear(4096, classes),  # 1000
                ),  # 1000
            )
        )
    )


def vgg16(classes: int = 1000) -> nn.Sequential:
    """224x224 colour pixels -> 1000 logits; 138,357,544 parameters."""
    return _initialized(
        nn.Sequential(
            OrderedDict(
                normalize=Normalize(3),  # 3x224x224
                features=nn.Sequential(
                    nn.Conv2d(3, 64, 3, padding=1),  # 64x224x224
                    nn.ReLU(),  # 64x224x224
                    nn.Conv2d(64, 64, 3, padding=1),  # 64x224x224
                    nn.ReLU(),  # 64x224x224
                    nn.MaxPool2d(2),  # 64x112x112
                    nn.Conv2d(64, 128, 3, padding=1),  # 128x112x112
                    nn.ReLU(),  # 128x112x112
                    nn.Conv2d(128, 128, 3, padding=1),  # 128x112x112
                    nn.ReLU(),  # 128x112x112
                    nn.MaxPool2d(2),  # 128x56x56
                    nn.Conv2d(128, 256, 3, padding=1),  # 256x56x56
                    nn.ReLU(),  # 256x56x56
                    nn.Conv2d(256, 256, 3, padding=1),  # 256x56x56
                    nn.ReLU(),  # 256x56x56
                    nn.Conv2d(256, 256, 3, padding=1),  # 256x56x56
                    nn.ReLU(),  # 256x56x56
                    nn.MaxPool2d(2),  # 256x28x28
                    nn.Conv2d(256, 512, 3, padding=1),  # 512x28x28
                    nn.ReLU(),  # 512x28x28
                    nn.Conv2d(512, 512, 3, padding=1),  # 512x28x28
                    nn.ReLU(),  # 512x28x28
                    nn.Conv2d(512, 512, 3, padding=1),  # 512x28x28
                    nn.ReLU(),  # 512x28x28
                    nn.MaxPool2d(2),  # 512x14x14
                    nn.Conv2d(512, 512, 3, padding=1),  # 512x14x14
                    nn.ReLU(),  # 512x14x14
                    nn.Conv2d(512, 512, 3, padding=1),  # 512x14x14
                    nn.ReLU(),  # 512x14x14
                    nn.Conv2d(512, 512, 3, padding=1),  # 512x14x14
                    nn.ReLU(),  # 512x14x14
                    nn.MaxPool2d(2),  # 512x7x7
                ),  # 512x7x7
                flatten=nn.Flatten(),  # 25088
                classifier=nn.Sequential(
                    nn.Linear(25088, 4096),  # 4096
                    nn.ReLU(),  # 4096
                    nn.Dropout(),  # 4096
                    nn.Linear(4096, 4096),  # 4096
                    nn.ReLU(),  # 4096
                    nn.Dropout(),  # 4096
                    nn.Linear(4096, classes),  # 1000
                ),  # 1000
            )
        )
    )


def vgg_small(classes: int = 10) -> nn.Sequential:
    """32x32 colour pixels -> 10 logits; 815,018 parameters, batch normalisation behind each convolution."""
    return _initialized(
        nn.Sequential(
            OrderedDict(
                normalize=Normalize(3),  # 3x32x32
                features=nn.Sequential(
                    nn.Conv2d(3, 32, 3, padding=1),  # 32x32x32
                    nn.BatchNorm2d(32),  # 32x32x32
                    nn.ReLU(),  # 32x32x32
                    nn.Conv2d(32, 32, 3, padding=1),  # 32x32x32
                    nn.BatchNorm2d(32),  # 32x32x32
                    nn.ReLU(),  # 32x32x32
                    nn.MaxPool2d(2),  # 32x16x16
                    nn.Conv2d(32, 64, 3, padding=1),  # 64x16x16
                    nn.BatchNorm2d(64),  # 64x16x16
                    nn.ReLU(),  # 64x16x16
                    nn.Conv2d(64, 64, 3, padding=1),  # 64x16x16
                    nn.BatchNorm2d(64),  # 64x16x16
                    nn.ReLU(),  # 64x16x16
                    nn.MaxPool2d(2),  # 64x8x8
                    nn.Conv2d(64, 128, 3, padding=1),  # 128x8x8
                    nn.BatchNorm2d(128),  # 128x8x8
                    nn.ReLU(),  # 128x8x8
                    nn.Conv2d(128, 128, 3, padding=1),  # 128x8x8
                    nn.BatchNorm2d(128),  # 128x8x8
                    nn.ReLU(),  # 128x8x8
                    nn.MaxPool2d(2),  # 128x4x4
                ),  # 128x4x4
                flatten=nn.Flatten(),  # 2048
                classifier=nn.Sequential(
                    nn.Linear(2048, 256),  # 256
                    nn.ReLU(),  # 256
                    nn.Dropout(),  # 256
                    nn.Linear(256, classes),  # 10
                ),  # 10
            )
        )
    )


def _initialized(network: nn.Sequential) -> nn.Sequential:
    """As torchvision's: kernels after He by what they feed, N(0, 0.01) in dense layers, biases 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(module.bias)  # type: ignore[arg-type] # there is one
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
            nn.init.zeros_(module.bias)
    return network
