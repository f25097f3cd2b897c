"""CIFAR-10: ten classes of photographs of 32x32 pixels."""

from training.recipes.recipe import Recipe

CIFAR10_RESNET18 = Recipe(
    name="cifar10_resnet18",
    dataset="cifar10",
    network="resnet18_small",
    validation_every=20,
    epochs=8,
    batch_size=250,
    max_learning_rate=2e-3,
    weight_decay=0.05,
    label_smoothing=0.05,
    rotation_degrees=3.0,
    scale_share=0.1,
    shift_pixels=2.0,
    mirror="random",
    bfloat16=True,
)

CIFAR10 = Recipe(
    name="cifar10",
    dataset="cifar10",
    network="airbench",
    validation_every=50,
    epochs=10,
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
