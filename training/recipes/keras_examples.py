"""Keras's two introductory CNNs on CIFAR-10, trained as their notebooks train them: to compare with Keras itself."""

from training.recipes.recipe import Recipe

KERAS_1 = Recipe(
    name="keras_1",
    dataset="cifar10",
    network="keras_1",
    validation_every=10,
    epochs=10,
    batch_size=64,
    keep="last",
    schedule="constant",
    max_learning_rate=1e-3,
    weight_decay=0.0,
)

KERAS_2 = Recipe(
    name="keras_2",
    dataset="cifar10",
    network="keras_2",
    validation_every=5,
    epochs=10,
    batch_size=32,
    keep="last",
    schedule="constant",
    max_learning_rate=1e-3,
    weight_decay=0.0,
)
