"""Fashion-MNIST: ten kinds of clothes, 28x28 grey pixels."""

from dataclasses import replace

from training.recipes.recipe import Recipe

FASHION_MNIST = Recipe(
    name="fashion_mnist",
    dataset="fashion_mnist",
    network="airbench_gray",
    validation_every=20,
    epochs=6,
    batch_size=1000,
    keep="last",
    optimizer="airbench",
    schedule="linear",
    max_learning_rate=0.24,
    momentum=0.6,
    weight_decay=0.002,
    label_smoothing=0.2,
    crop_pixels=2,
    mirror="alternating",
    bfloat16=True,
    test_time="mirror+shift",
)

FASHION_MNIST_BEST = replace(
    FASHION_MNIST,
    name="fashion_mnist_best",
    network="airbench_gray_deep",
    validation_every=50,
    epochs=26,
    max_learning_rate=0.15,
    erased_side=8,
)
