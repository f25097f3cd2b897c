"""The chance of a batch: from its own generator, within its ranges, and none where nothing is asked."""

from dataclasses import fields, replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.training.augmentation.images import EVERYTHING, STILL, draws_of, noise, seeds
from training.augmentation import Draws, drawn
from training.recipes import Recipe

MANY = noise((2000, 5, 7, 1))


def tensors(draws: Draws) -> dict[str, torch.Tensor]:
    values = {field.name: getattr(draws, field.name) for field in fields(draws)}
    return {name: value for name, value in values.items() if isinstance(value, torch.Tensor)}


def extremes(numbers: torch.Tensor | None) -> tuple[float, float]:
    assert numbers is not None
    return float(numbers.min()), float(numbers.max())


def equal(first: Draws, second: Draws) -> bool:
    own, other = tensors(first), tensors(second)
    return own.keys() == other.keys() and all(torch.equal(own[name], other[name]) for name in own)


def test_the_same_generator_draws_the_same_and_another_seed_draws_other_numbers() -> None:
    assert equal(draws_of(EVERYTHING, MANY, seed=5), draws_of(EVERYTHING, MANY, seed=5))
    same, other = tensors(draws_of(EVERYTHING, MANY, seed=5)), tensors(draws_of(EVERYTHING, MANY, seed=6))
    assert len(same) == 13
    assert not any(torch.equal(same[name], other[name]) for name in same)


def test_a_generator_goes_on_from_batch_to_batch() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = (drawn(EVERYTHING, 50, (5, 7), generator, indices=torch.arange(50), epoch=1) for _ in range(2))
    assert not any(torch.equal(one, tensors(second)[name]) for name, one in tensors(first).items())


def test_nothing_is_drawn_from_the_global_generator() -> None:
    state = torch.get_rng_state()
    draws_of(EVERYTHING, MANY)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("recipe", [STILL, replace(STILL, mirror="alternating")])
def test_what_is_switched_off_draws_no_number(recipe: Recipe) -> None:
    generator = torch.Generator().manual_seed(0)
    drawn(recipe, 50, (5, 7), generator, indices=torch.arange(50), epoch=1)
    assert torch.equal(generator.get_state(), torch.Generator().manual_seed(0).get_state())


@pytest.mark.parametrize(
    ("recipe", "names"),
    [
        (replace(STILL, rotation_degrees=5.0), {"angle"}),
        (replace(STILL, scale_share=0.1), {"zoom"}),
        (replace(STILL, shift_pixels=1.0), {"right", "down"}),
        (replace(STILL, crop_pixels=1), {"crop_right", "crop_down"}),
        (replace(STILL, mirror="random"), {"mirrored"}),
        (replace(STILL, mirror="alternating"), {"mirrored"}),
        (replace(STILL, erased_side=2), {"erased_right", "erased_down"}),
        (replace(STILL, brightness_share=0.1), {"brightness"}),
        (replace(STILL, contrast_share=0.1), {"contrast"}),
        (replace(STILL, mixup_alpha=1.0), {"partner", "share"}),
    ],
)
def test_each_setting_draws_its_own_numbers_and_no_other(recipe: Recipe, names: set[str]) -> None:
    assert tensors(draws_of(recipe, MANY)).keys() == names


def test_numbers_fill_their_ranges_and_stay_inside() -> None:
    draws = draws_of(EVERYTHING, MANY)
    assert extremes(draws.crop_right) == extremes(draws.crop_down) == (-2, 2)
    assert extremes(draws.erased_right) == (0, 4)  # a square of 3 in a width of 7
    assert extremes(draws.erased_down) == (0, 2)  # and in a height of 5
    for numbers, low, high in (
        (draws.angle, -0.349066, 0.349066),  # 20 degrees
        (draws.zoom, 0.8, 1.2),
        (draws.right, -1.5, 1.5),
        (draws.down, -1.5, 1.5),
        (draws.brightness, 0.6, 1.4),
        (draws.contrast, 0.6, 1.4),
    ):
        least, most = extremes(numbers)
        assert low - 1e-6 <= least < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < most <= high + 1e-6


def test_chance_mirrors_half_of_the_images() -> None:
    mirrored = draws_of(replace(STILL, mirror="random"), MANY).mirrored
    assert mirrored is not None
    assert 0.45 < mirrored.float().mean() < 0.55


def test_alternating_mirrors_each_image_in_exactly_one_of_two_epochs_and_half_of_them_in_each() -> None:
    recipe = replace(STILL, mirror="alternating")
    first, second, third = (draws_of(recipe, MANY, epoch=epoch, seed=epoch).mirrored for epoch in (1, 2, 3))
    assert first is not None
    assert second is not None
    assert third is not None
    assert torch.equal(first, ~second)
    assert torch.equal(first, third)
    assert 0.45 < first.float().mean() < 0.55
    assert 0.4 < (first[1:] == first[:-1]).float().mean() < 0.6  # neighbours tell nothing of each other


def test_alternating_follows_the_image_not_its_place_in_the_batch() -> None:
    recipe = replace(STILL, mirror="alternating")
    order = torch.randperm(100, generator=torch.Generator().manual_seed(0))
    in_file_order = drawn(recipe, 100, (5, 7), torch.Generator(), indices=torch.arange(100), epoch=1).mirrored
    shuffled = drawn(recipe, 100, (5, 7), torch.Generator(), indices=order, epoch=1).mirrored
    assert in_file_order is not None
    assert shuffled is not None
    assert torch.equal(shuffled, in_file_order[order])


def test_the_hash_of_an_image_is_the_same_on_every_machine_and_in_every_version() -> None:
    mirrored = draws_of(replace(STILL, mirror="alternating"), MANY, epoch=2).mirrored
    assert mirrored is not None
    # MurmurHash3's finalizer of 0, 1, 2 is 0, 0x514E28B7, 0x30F4C306.
    assert mirrored[:3].tolist() == [False, True, False]


@pytest.mark.parametrize(("alpha", "variance"), [(0.2, 0.1786), (1.0, 0.0833), (8.0, 0.0147)])
def test_shares_have_the_mean_and_the_variance_of_the_beta_distribution(alpha: float, variance: float) -> None:
    share = draws_of(replace(STILL, mixup_alpha=alpha), MANY).share
    assert share is not None
    assert 0 <= float(share.min()) <= float(share.max()) <= 1
    assert abs(float(share.mean()) - 0.5) < 0.03
    assert abs(float(share.var()) / variance - 1) < 0.15  # 1 / (8 alpha + 4)


def test_partners_are_the_whole_batch_in_another_order() -> None:
    partner = draws_of(replace(STILL, mixup_alpha=1.0), MANY).partner
    assert partner is not None
    assert torch.equal(partner.sort().values, torch.arange(2000))
    assert not torch.equal(partner, torch.arange(2000))


@given(seeds, st.integers(1, 5), st.integers(0, 4))
def test_a_part_has_every_so_manieth_number(seed: int, world: int, rank: int) -> None:
    draws = draws_of(EVERYTHING, noise((11, 4, 4, 1)), seed)
    part = draws.part(rank % world, world)
    assert equal(part, draws.at(torch.arange(11)[rank % world :: world]))
    assert all(
        torch.equal(numbers[rank % world :: world], tensors(part)[name]) for name, numbers in tensors(draws).items()
    )
    assert part.erased_side == draws.erased_side
