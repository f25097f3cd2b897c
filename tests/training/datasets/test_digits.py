"""The digits that scikit-learn ships."""

import torch

from training.datasets import load


def test_the_1797_digits_are_grey_images_of_8x8_in_ten_classes() -> None:
    digits = load("digits", None, (8, 8, 1))
    assert len(digits.training) + len(digits.test) == 1797
    assert digits.training.images.shape[1:] == (8, 8, 1)
    assert digits.class_names == tuple("0123456789")


def test_their_ink_spans_the_whole_range_of_a_byte() -> None:
    images = load("digits", None, (8, 8, 1)).training.images
    assert (int(images.min()), int(images.max())) == (0, 255)


def test_a_fifth_of_every_class_is_held_out() -> None:
    digits = load("digits", None, (8, 8, 1))
    for label in range(10):
        held_out = int((digits.test.labels == label).sum())
        assert abs(held_out - (held_out + int((digits.training.labels == label).sum())) / 5) <= 0.5


def test_no_held_out_image_is_also_trained_on() -> None:
    digits = load("digits", None, (8, 8, 1))
    trained_on = {bytes(image.flatten().tolist()) for image in digits.training.images}
    assert not [image for image in digits.test.images if bytes(image.flatten().tolist()) in trained_on]
    assert digits.training.labels.dtype == torch.int64
