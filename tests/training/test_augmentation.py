"""Warping and mirroring: within their bounds, in the right direction, the same for the same seed."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.augmentation import mirrored, warped


def dot(height: int, width: int, y: int, x: int) -> torch.Tensor:
    image = torch.zeros(1, height, width, 1, dtype=torch.uint8)
    image[0, y, x] = 255
    return image


def place(image: torch.Tensor) -> tuple[float, float]:
    """The centre of mass, (y, x) in pixels."""
    weights = image[0, :, :, 0] / image.sum()
    rows, columns = (torch.arange(side, dtype=torch.float32) for side in weights.shape)
    return float((weights.sum(1) * rows).sum()), float((weights.sum(0) * columns).sum())


def test_without_any_warp_the_pixels_stay() -> None:
    images = torch.randint(0, 256, (3, 8, 6, 3)).to(torch.uint8)
    torch.testing.assert_close(warped(images, 0.0, 0.0, 0.0), images.float(), atol=1e-3, rtol=0)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, 3.0))
def test_a_shift_moves_a_dot_by_at_most_its_pixels(seed: int, shift: float) -> None:
    torch.manual_seed(seed)
    y, x = place(warped(dot(21, 31, 10, 15), 0.0, 0.0, shift))
    assert abs(y - 10) <= shift + 1e-3
    assert abs(x - 15) <= shift + 1e-3


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_a_rotation_keeps_the_distance_to_the_centre_in_an_image_that_is_not_square(seed: int) -> None:
    torch.manual_seed(seed)
    y, x = place(warped(dot(41, 31, 10, 15), 20.0, 0.0, 0.0))
    assert abs(((y - 20) ** 2 + (x - 15) ** 2) ** 0.5 - 10) < 0.2


def test_a_batch_is_warped_image_by_image() -> None:
    torch.manual_seed(0)
    same = dot(9, 9, 4, 4).expand(2, -1, -1, -1)
    first, second = warped(same, 10.0, 0.1, 2.0)
    assert not torch.equal(first, second)


def test_the_same_seed_gives_the_same_warp() -> None:
    images = torch.randint(0, 256, (2, 8, 8, 1)).to(torch.uint8)
    torch.manual_seed(5)
    before = warped(images, 10.0, 0.1, 1.0)
    torch.manual_seed(5)
    assert torch.equal(warped(images, 10.0, 0.1, 1.0), before)


def test_about_the_asked_share_of_the_images_has_left_and_right_exchanged() -> None:
    torch.manual_seed(0)
    images = torch.randint(0, 256, (400, 3, 5, 3)).to(torch.uint8)
    result = mirrored(images, 0.25)
    turned = [index for index in range(400) if not torch.equal(result[index], images[index])]
    assert 70 <= len(turned) <= 130
    assert all(torch.equal(result[index], images[index].flip(1)) for index in turned)


def test_a_share_of_nothing_draws_no_number_and_one_of_all_turns_every_image() -> None:
    images = torch.randint(0, 256, (20, 3, 5, 1)).to(torch.uint8)
    state = torch.get_rng_state()
    assert torch.equal(mirrored(images, 0.0), images)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(mirrored(images, 1.0), images.flip(2))
