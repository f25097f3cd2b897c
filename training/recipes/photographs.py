"""One's own photographs: a folder of images per class, or a CSV that lists them."""

from dataclasses import replace

from training.recipes.recipe import Recipe

FOLDER = Recipe(
    name="folder",
    dataset="folder",
    network="airbench",
    image_side=64,
    validation_every=5,
    epochs=60,
    batch_size=32,
    optimizer="adamw",
    max_learning_rate=2e-3,
    weight_decay=0.05,
    label_smoothing=0.1,
    average_decay=0.99,
    rotation_degrees=10.0,
    scale_share=0.2,
    shift_pixels=6.0,
    mirror="random",
    brightness_share=0.2,
    contrast_share=0.2,
    test_time="mirror",
)

CSV = replace(FOLDER, name="csv", dataset="csv")
