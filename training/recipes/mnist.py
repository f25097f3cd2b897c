"""MNIST: handwritten digits of 28x28 pixels."""

from dataclasses import replace

from training.recipes.recipe import Recipe

MNIST = Recipe(
    name="mnist",
    dataset="mnist",
    network="mnist_cnn",
    validation_every=12,
    epochs=10,
    batch_size=250,
    max_learning_rate=3e-3,
    weight_decay=0.02,
    label_smoothing=0.05,
    rotation_degrees=10.0,
    scale_share=0.1,
    shift_pixels=2.0,
)

MNIST_FAST = Recipe(
    name="mnist_fast",
    dataset="mnist",
    network="airbench_gray",
    validation_every=50,
    epochs=4,
    batch_size=1000,
    keep="last",
    optimizer="airbench",
    schedule="linear",
    max_learning_rate=0.24,
    momentum=0.6,
    weight_decay=0.002,
    label_smoothing=0.1,
    rotation_degrees=10.0,
    scale_share=0.1,
    shift_pixels=2.0,
    bfloat16=True,
    test_time="shift",
)

MNIST_BEST = replace(
    MNIST_FAST,
    name="mnist_best",
    epochs=14,
    rotation_degrees=15.0,
    scale_share=0.15,
    shift_pixels=3.0,
)
