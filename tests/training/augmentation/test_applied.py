"""The drawn changes on the pixels: exact, in their ranges, and the same for a part as for the whole."""

from dataclasses import replace

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.training.augmentation.images import EVERYTHING, STILL, draws_of, noise, seeds, shapes
from training.augmentation import Draws, augmented
from training.augmentation.warping import warped
from training.recipes import Recipe

Shape = tuple[int, int, int, int]
RECIPES = [
    EVERYTHING,
    replace(STILL, crop_pixels=4, mirror="alternating", erased_side=2),
    replace(STILL, rotation_degrees=10.0, mirror="random"),
    replace(STILL, contrast_share=1.0),
    STILL,
]


def fill(images: torch.Tensor) -> torch.Tensor:
    """Another colour than any of the images' pixels have, one for each channel."""
    return torch.tensor([100.6, 150.0, 200.0])[: images.shape[-1]]


def changed(recipe: Recipe, images: torch.Tensor, seed: int = 0) -> torch.Tensor:
    return augmented(images, draws_of(recipe, images, seed), fill(images))


def test_a_recipe_without_changes_gives_the_images_themselves() -> None:
    images = noise((3, 5, 4, 3))
    assert changed(STILL, images) is images


@pytest.mark.parametrize(
    "recipe",
    [
        replace(STILL, crop_pixels=1),
        replace(STILL, mirror="random"),
        replace(STILL, erased_side=2),
        replace(STILL, crop_pixels=2, erased_side=1),
    ],
)
def test_pixels_that_only_change_places_stay_whole_numbers(recipe: Recipe) -> None:
    assert changed(recipe, noise((8, 5, 4, 3))).dtype == torch.uint8


@pytest.mark.parametrize(
    "recipe",
    [
        replace(STILL, rotation_degrees=1.0),
        replace(STILL, scale_share=0.1),
        replace(STILL, shift_pixels=1.0),
        replace(STILL, brightness_share=0.1),
        replace(STILL, contrast_share=0.1),
    ],
)
def test_pixels_that_change_their_values_are_float32_of_0_to_255(recipe: Recipe) -> None:
    images = noise((8, 5, 4, 3))
    result = changed(recipe, images)
    assert result.dtype == torch.float32
    assert result.shape == images.shape
    assert not torch.equal(result, images.float())
    assert float(result.min()) >= 0
    assert float(result.max()) <= 255 + 1e-3


@given(shapes, st.integers(1, 12), seeds)
def test_the_erased_square_has_its_side_squared_pixels_or_what_the_image_has_of_it(
    shape: Shape, side: int, seed: int
) -> None:
    images = noise(shape, seed) % 100  # none has the colour of the square
    erased = changed(replace(STILL, erased_side=side), images, seed)
    square = (erased == fill(images).round()).all(3)
    assert square.flatten(1).sum(1).tolist() == [min(side, shape[1]) * min(side, shape[2])] * len(images)
    assert torch.equal(erased[~square], images[~square])
    for rows, columns in zip(square.any(2), square.any(1), strict=True):
        assert int(rows.sum() * columns.sum()) == min(side, shape[1]) * min(side, shape[2])  # one square, without holes


def test_the_square_in_float_pixels_has_the_exact_colour_and_comes_after_brightness() -> None:
    images = noise((4, 6, 6, 3)) % 100
    erased = changed(replace(STILL, erased_side=6, brightness_share=0.5), images)
    assert torch.equal(erased, fill(images).expand(4, 6, 6, 3))


def test_erasing_leaves_the_examples_as_they_were() -> None:
    images = noise((4, 6, 6, 3))
    before = images.clone()
    changed(replace(STILL, erased_side=6), images)
    assert torch.equal(images, before)


@given(shapes, seeds)
def test_brightness_multiplies_every_pixel_by_the_images_factor_and_ends_at_white(shape: Shape, seed: int) -> None:
    images = noise(shape, seed)
    recipe = replace(STILL, brightness_share=0.6)
    factor = draws_of(recipe, images, seed).brightness
    assert factor is not None
    expected = (images.double() * factor.double()[:, None, None, None]).clamp(max=255)
    torch.testing.assert_close(changed(recipe, images, seed), expected.float())


@given(shapes, seeds)
def test_contrast_keeps_the_mean_of_an_image_whose_pixels_stay_in_range(shape: Shape, seed: int) -> None:
    images = noise(shape, seed) // 4 + 96  # 96..159
    recipe = replace(STILL, contrast_share=0.9)
    result, before = changed(recipe, images, seed), images.float()
    torch.testing.assert_close(result.mean((1, 2, 3)), before.mean((1, 2, 3)))
    factor = draws_of(recipe, images, seed).contrast
    assert factor is not None
    spread, spread_before = (pixels.flatten(1).amax(1) - pixels.flatten(1).amin(1) for pixels in (result, before))
    torch.testing.assert_close(spread, spread_before * factor, atol=1e-3, rtol=1e-4)


def test_contrast_ends_at_black_and_white() -> None:
    images = torch.tensor([0, 255], dtype=torch.uint8).repeat(40, 3, 2, 1).reshape(40, 3, 4, 1)
    result = changed(replace(STILL, contrast_share=1.0), images)
    assert (float(result.min()), float(result.max())) == (0, 255)


def test_the_warp_comes_after_crop_and_mirror() -> None:
    images = noise((10, 7, 9, 3))
    recipe = replace(STILL, crop_pixels=2, mirror="random", rotation_degrees=20.0, scale_share=0.2, shift_pixels=1.0)
    draws = draws_of(recipe, images)
    placed = augmented(
        images, Draws(crop_right=draws.crop_right, crop_down=draws.crop_down, mirrored=draws.mirrored), fill(images)
    )
    assert draws.angle is not None
    assert draws.zoom is not None
    assert draws.right is not None
    assert draws.down is not None
    expected = warped(placed, draws.angle, draws.zoom, draws.right, draws.down)
    assert torch.equal(augmented(images, draws, fill(images)), expected)


@pytest.mark.parametrize("recipe", RECIPES)
@given(shape=shapes, world=st.integers(1, 4), rank=st.integers(0, 3), seed=seeds)
def test_a_part_of_the_images_is_changed_as_it_is_in_the_whole_to_the_last_bit(
    recipe: Recipe, shape: Shape, world: int, rank: int, seed: int
) -> None:
    assume(rank < min(world, shape[0]))
    images = noise(shape, seed)
    draws = draws_of(recipe, images, seed)
    whole = augmented(images, draws, fill(images))
    part = augmented(images[rank::world], draws.part(rank, world), fill(images))
    assert torch.equal(part, whole[rank::world])
