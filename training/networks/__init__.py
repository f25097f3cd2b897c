"""The networks by name. Each takes pixels as decoded, [batch, height, width, channels], and gives logits.

A network is a function that builds its modules, random weights included; its module names are the layer ids that
the service shows.
"""

from training.networks.airbench import airbench, airbench_gray, airbench_gray_deep
from training.networks.alexnet import alexnet, alexnet_small
from training.networks.architecture import Architecture, InputShape
from training.networks.contrast_cnn import contrast_cnn
from training.networks.deepid import deepid
from training.networks.digits_cnn import digits_cnn
from training.networks.keras_examples import keras_1, keras_2
from training.networks.lenet5 import lenet5
from training.networks.mnist_cnn import mnist_cnn
from training.networks.resnet import resnet18, resnet18_small, resnet20, resnet34
from training.networks.vgg import vgg11, vgg16, vgg_small

__all__ = ["NETWORKS", "Architecture", "InputShape"]

NETWORKS: dict[str, Architecture] = {
    "airbench": Architecture(airbench, (32, 32, 3)),
    "airbench_gray": Architecture(airbench_gray, (28, 28, 1)),
    "airbench_gray_deep": Architecture(airbench_gray_deep, (28, 28, 1)),
    "alexnet": Architecture(alexnet, (224, 224, 3), classes=1000),
    "alexnet_small": Architecture(alexnet_small, (32, 32, 3)),
    "contrast_cnn": Architecture(contrast_cnn, (32, 32, 3)),
    "deepid": Architecture(deepid, (39, 31, 3)),
    "digits_cnn": Architecture(digits_cnn, (8, 8, 1)),
    "keras_1": Architecture(keras_1, (32, 32, 3)),
    "keras_2": Architecture(keras_2, (32, 32, 3)),
    "lenet5": Architecture(lenet5, (28, 28, 1)),
    "mnist_cnn": Architecture(mnist_cnn, (28, 28, 1)),
    "resnet18": Architecture(resnet18, (224, 224, 3), classes=1000),
    "resnet18_small": Architecture(resnet18_small, (32, 32, 3)),
    "resnet20": Architecture(resnet20, (32, 32, 3)),
    "resnet34": Architecture(resnet34, (224, 224, 3), classes=1000),
    "vgg11": Architecture(vgg11, (224, 224, 3), classes=1000),
    "vgg16": Architecture(vgg16, (224, 224, 3), classes=1000),
    "vgg_small": Architecture(vgg_small, (32, 32, 3)),
}
