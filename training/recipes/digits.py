"""Handwritten digits of 8x8 pixels: seconds, without any download."""

from training.recipes.recipe import Recipe

DIGITS = Recipe(
    name="digits",
    dataset="digits",
    network="digits_cnn",
    validation_every=6,
    epochs=40,
    batch_size=64,
    max_learning_rate=4e-3,
    weight_decay=0.01,
    label_smoothing=0.05,
    rotation_degrees=10.0,
    scale_share=0.1,
    shift_pixels=0.7,
)
