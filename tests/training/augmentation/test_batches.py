"""What one step is trained on: the asked examples with their targets, the same for one process as for several."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.augmentation.images import EVERYTHING, STILL, noise, seeds
from training.augmentation import drawn, mixed, pixels_and_targets
from training.datasets import Examples
from training.recipes import Recipe

EXAMPLES = Examples(noise((40, 6, 5, 3)), torch.arange(40) % 7)
FILL = torch.tensor([120.0, 110.0, 100.0])


def batch_of(
    recipe: Recipe, batch: torch.Tensor, *, seed: int = 0, epoch: int = 1, rank: int = 0, world: int = 1
) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return pixels_and_targets(
        EXAMPLES, batch, recipe, epoch=epoch, generator=generator, classes=7, fill=FILL, rank=rank, world=world
    )


def test_without_changes_a_batch_is_the_examples_and_their_certain_labels() -> None:
    batch = torch.tensor([7, 3, 39])
    pixels, targets = batch_of(replace(STILL, label_smoothing=0.0), batch)
    assert torch.equal(pixels, EXAMPLES.images[batch])
    assert targets.argmax(1).tolist() == [0, 3, 4]
    assert targets.sum() == targets.max(1).values.sum() == 3


def test_targets_are_smoothed_as_the_recipe_says() -> None:
    _, targets = batch_of(replace(STILL, label_smoothing=0.7), torch.tensor([1]))
    torch.testing.assert_close(targets, torch.tensor([[0.1, 0.4, 0.1, 0.1, 0.1, 0.1, 0.1]]))


def test_the_pixels_and_the_targets_of_a_mix_belong_together() -> None:
    # Images whose grey level is a power of 2 for their class: the mix of levels tells the mix of classes.
    labels = torch.arange(7)
    level = torch.full((7, 2, 2, 1), 1, dtype=torch.uint8) << labels[:, None, None, None].to(torch.uint8)
    recipe = replace(STILL, mixup_alpha=1.0, label_smoothing=0.0)
    pixels, targets = pixels_and_targets(
        Examples(level, labels),
        labels,
        recipe,
        epoch=1,
        generator=torch.Generator().manual_seed(0),
        classes=7,
        fill=torch.zeros(1),
    )
    torch.testing.assert_close(pixels[:, 0, 0, 0], targets @ (2.0**labels))
    assert int(((targets > 0).sum(1) == 2).sum()) >= 5  # two classes in nearly all
    torch.testing.assert_close(targets.sum(1), torch.ones(7))


def test_a_partner_is_mixed_in_as_it_is_when_it_is_changed_itself() -> None:
    batch = torch.arange(20)
    pixels, _ = batch_of(EVERYTHING, batch)
    unmixed, _ = batch_of(replace(EVERYTHING, mixup_alpha=0.0), batch)  # what mixing draws is drawn last
    draws = drawn(EVERYTHING, 20, (6, 5), torch.Generator().manual_seed(0), indices=batch, epoch=1)
    assert draws.partner is not None
    assert draws.share is not None
    assert torch.equal(pixels, mixed(unmixed, unmixed[draws.partner], draws.share))


@pytest.mark.parametrize("recipe", [EVERYTHING, replace(STILL, mirror="alternating", crop_pixels=2)])
@settings(max_examples=40)
@given(count=st.integers(4, 30), world=st.integers(2, 4), seed=seeds, epoch=st.integers(1, 4))
def test_the_parts_of_several_processes_are_the_batch_of_one_to_the_last_bit(
    recipe: Recipe, count: int, world: int, seed: int, epoch: int
) -> None:
    batch = torch.randperm(40, generator=torch.Generator().manual_seed(seed))[:count]
    pixels, targets = batch_of(recipe, batch, seed=seed, epoch=epoch)
    for rank in range(world):
        part, part_targets = batch_of(recipe, batch, seed=seed, epoch=epoch, rank=rank, world=world)
        assert torch.equal(part, pixels[rank::world])
        assert torch.equal(part_targets, targets[rank::world])


def test_over_two_epochs_each_image_is_seen_as_it_is_and_mirrored() -> None:
    recipe = replace(STILL, mirror="alternating")
    everything = torch.arange(40)
    first, second = (batch_of(recipe, everything, epoch=epoch)[0] for epoch in (1, 2))
    for image, one, other in zip(EXAMPLES.images, first, second, strict=True):
        seen = [torch.equal(image, one), torch.equal(image, other)]
        assert sorted(seen) == [False, True]
        assert torch.equal(one, other.flip(1))
