"""Normalisation: measured over the training images, applied to pixels as decoded."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.networks.layers.normalize import Normalize


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 3))
def test_the_measured_images_come_out_with_mean_0_and_deviation_1(seed: int, channels: int) -> None:
    images = torch.randint(0, 256, (5, 4, 3, channels), generator=torch.Generator().manual_seed(seed))
    normalize = Normalize(channels)
    normalize.measure(images.to(torch.uint8))
    values = normalize(images.to(torch.uint8))
    assert values.shape == (5, channels, 4, 3)
    torch.testing.assert_close(values.mean((0, 2, 3)), torch.zeros(channels), atol=1e-5, rtol=0)
    torch.testing.assert_close(values.std((0, 2, 3), correction=0), torch.ones(channels), atol=1e-5, rtol=0)


def test_images_of_one_colour_do_not_divide_by_zero() -> None:
    normalize = Normalize(1)
    normalize.measure(torch.full((2, 3, 3, 1), 9, dtype=torch.uint8))
    assert torch.equal(normalize(torch.full((1, 3, 3, 1), 10, dtype=torch.uint8)), torch.ones(1, 1, 3, 3))
