"""What came before batch normalisation: local contrast normalisation and L2 pooling, in one small network.

After Jarrett, Kavukcuoglu, Ranzato, LeCun 2009 (the normalisation) and Sermanet, Chintala, LeCun 2012 (the pooling);
the sizes are our own.
"""

from collections import OrderedDict

from torch import nn

from training.networks.layers.l2_pool import L2Pool
from training.networks.layers.local_contrast_norm import LocalContrastNorm
from training.networks.layers.normalize import Normalize


def contrast_cnn(classes: int = 10) -> nn.Sequential:
    """32x32 colour pixels -> 10 logits; 166,410 parameters."""
    return nn.Sequential(
        OrderedDict(
            normalize=Normalize(3),  # 3x32x32
            contrast=LocalContrastNorm(),  # 3x32x32
            conv1=nn.Conv2d(3, 32, 5, padding=2),  # 32x32x32
            relu1=nn.ReLU(),  # 32x32x32
            pool1=L2Pool(2),  # 32x16x16
            contrast1=LocalContrastNorm(),  # 32x16x16
            conv2=nn.Conv2d(32, 64, 5, padding=2),  # 64x16x16
            relu2=nn.ReLU(),  # 64x16x16
            pool2=L2Pool(2),  # 64x8x8
            contrast2=LocalContrastNorm(),  # 64x8x8
            conv3=nn.Conv2d(64, 64, 5, padding=2),  # 64x8x8
            relu3=nn.ReLU(),  # 64x8x8
            pool3=L2Pool(2),  # 64x4x4
            flatten=nn.Flatten(),  # 1024
            dense=nn.Linear(1024, classes),  # 10
        )
    )
