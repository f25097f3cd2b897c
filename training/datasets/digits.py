"""The 1,797 handwritten digits of 8x8 pixels inside scikit-learn: training without any download.

Source: UCI, Optical Recognition of Handwritten Digits (Alpaydin and Kaynak 1998), its test part.
"""

import torch

from training.datasets.dataset import Dataset, Examples, split, stretched

HELD_OUT_EVERY = 5


def digits() -> Dataset:
    """Every fifth image of each class is the test set. The source counts ink 0..16: here 0..255, white on black."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 - two seconds that no other command need wait

    pixels, labels = load_digits(return_X_y=True)
    images = torch.from_numpy(pixels).reshape(-1, 8, 8, 1).mul(255 / 16).round().to(torch.uint8)
    training, test = split(Examples(images, torch.from_numpy(labels).long()), HELD_OUT_EVERY)
    return Dataset(tuple("0123456789"), training, test, "UCI digits, held-out stratified 20 %", stretched(8, 8, 1))
