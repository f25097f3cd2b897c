"""Warping: within its bounds, in the right direction, image by image."""

import math

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.augmentation.images import noise, seeds, shapes
from training.augmentation.warping import warped


def dot(height: int, width: int, y: int, x: int) -> torch.Tensor:
    image = torch.zeros(1, height, width, 1, dtype=torch.uint8)
    image[0, y, x] = 255
    return image


def place(image: torch.Tensor) -> tuple[float, float]:
    """The centre of mass, (y, x) in pixels."""
    weights = image[0, :, :, 0] / image.sum()
    rows, columns = (torch.arange(side, dtype=torch.float32) for side in weights.shape)
    return float((weights.sum(1) * rows).sum()), float((weights.sum(0) * columns).sum())


def moved(
    images: torch.Tensor, angle: float = 0.0, zoom: float = 1.0, right: float = 0.0, down: float = 0.0
) -> torch.Tensor:
    """All images by the same numbers."""
    return warped(images, *(torch.full((len(images),), number) for number in (angle, zoom, right, down)))


@given(shapes, seeds)
def test_without_any_warp_the_pixels_stay(shape: tuple[int, int, int, int], seed: int) -> None:
    images = noise(shape, seed)
    torch.testing.assert_close(moved(images), images.float(), atol=1e-3, rtol=0)


@settings(max_examples=30)
@given(st.floats(-3.0, 3.0), st.floats(-3.0, 3.0))
def test_what_is_sought_right_and_below_comes_to_the_left_and_up(right: float, down: float) -> None:
    y, x = place(moved(dot(21, 31, 10, 15), right=right, down=down))
    assert abs(y - (10 - down)) < 1e-3
    assert abs(x - (15 - right)) < 1e-3


@settings(max_examples=30)
@given(st.floats(-1.0, 1.0))
def test_a_rotation_turns_about_the_centre_in_an_image_that_is_not_square(angle: float) -> None:
    y, x = place(moved(dot(41, 31, 10, 15), angle=angle))
    assert abs((y - 20) - -10 * math.cos(angle)) < 0.1
    assert abs((x - 15) - -10 * math.sin(angle)) < 0.1


def test_a_zoom_above_1_brings_the_content_nearer_to_the_centre() -> None:
    y, x = place(moved(dot(41, 31, 10, 15), zoom=1.25))
    assert abs(y - 12) < 0.1
    assert abs(x - 15) < 1e-3


def test_what_comes_in_at_the_edge_is_0() -> None:
    shifted = moved(torch.full((1, 4, 4, 3), 200, dtype=torch.uint8), right=2.0)
    torch.testing.assert_close(shifted[0, 0, :, 0], torch.tensor([200.0, 200.0, 0.0, 0.0]), atol=1e-3, rtol=0)


@given(shapes, seeds)
def test_the_places_are_those_of_pytorchs_own_affine_grid(shape: tuple[int, int, int, int], seed: int) -> None:
    images = noise(shape, seed)
    count, height, width, channels = shape
    generator = torch.Generator().manual_seed(seed)
    angle, zoom, right, down = torch.rand(4, count, generator=generator)
    cosine, sine = angle.cos() * zoom, angle.sin() * zoom
    top = torch.stack([cosine, -sine * height / width, right * 2 / width], 1)
    bottom = torch.stack([sine * width / height, cosine, down * 2 / height], 1)
    grid = F.affine_grid(torch.stack([top, bottom], 1), [count, channels, height, width], align_corners=False)
    expected = F.grid_sample(images.permute(0, 3, 1, 2).float(), grid, align_corners=False).permute(0, 2, 3, 1)
    torch.testing.assert_close(warped(images, angle, zoom, right, down), expected, atol=5e-3, rtol=0)


def test_a_batch_is_warped_image_by_image() -> None:
    images = noise((2, 9, 9, 1))
    numbers = [torch.tensor([start, end]) for start, end in ((0.1, -0.2), (1.1, 0.9), (0.5, 1.0), (-1.0, 0.3))]
    for index, result in enumerate(warped(images, *numbers)):
        alone = warped(images[index : index + 1], *(number[index : index + 1] for number in numbers))
        assert torch.equal(result, alone[0])
