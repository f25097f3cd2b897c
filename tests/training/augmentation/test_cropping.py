"""Whole-pixel moves: equal to a slice of the padded array, whatever the size."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.training.augmentation.images import noise, seeds, shapes
from training.augmentation.cropping import cropped, reflected


@given(shapes, st.integers(0, 25), seeds)
def test_a_crop_is_a_slice_of_the_image_with_its_mirrored_edges(
    shape: tuple[int, int, int, int], most: int, seed: int
) -> None:
    images = noise(shape, seed)
    count, height, width, _ = shape
    down, right = torch.randint(-most, most + 1, (2, count), generator=torch.Generator().manual_seed(seed))
    result = cropped(images, down, right, torch.zeros(count, dtype=torch.bool))
    padded = np.pad(images.numpy(), ((0, 0), (most, most), (most, most), (0, 0)), mode="reflect")
    for index in range(count):
        top, left = most + int(down[index]), most + int(right[index])
        assert np.array_equal(result[index].numpy(), padded[index, top : top + height, left : left + width])
    assert result.dtype == torch.uint8


@given(shapes, seeds)
def test_only_the_chosen_images_are_mirrored_and_twice_is_as_before(
    shape: tuple[int, int, int, int], seed: int
) -> None:
    images = noise(shape, seed)
    chosen = torch.rand(len(images), generator=torch.Generator().manual_seed(seed)) < 0.5
    still = torch.zeros(len(images), dtype=torch.long)
    once = cropped(images, still, still, chosen)
    assert torch.equal(once[chosen], images[chosen].flip(2))
    assert torch.equal(once[~chosen], images[~chosen])
    assert torch.equal(cropped(once, still, still, chosen), images)


def test_a_crop_is_taken_before_it_is_mirrored() -> None:
    row = torch.tensor([[[[10], [20], [30], [40]]]], dtype=torch.uint8)
    one = torch.ones(1, dtype=torch.long)
    assert cropped(row, 0 * one, one, one.bool()).flatten().tolist() == [30, 40, 30, 20]


def test_beyond_the_edge_places_run_back_and_forth() -> None:
    assert reflected(torch.arange(-4, 8), 4).tolist() == [2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1]
    assert reflected(torch.arange(-2, 3), 1).tolist() == [0] * 5
