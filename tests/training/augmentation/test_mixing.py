"""Mixup: pixels and targets lie between the two, and without it the loss is the usual one."""

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name
from hypothesis import given
from hypothesis import strategies as st

from tests.training.augmentation.images import noise, seeds
from training.augmentation import mixed, mixed_targets, targets


@given(st.integers(2, 12), st.integers(1, 20), st.floats(0, 0.9), seeds)
def test_the_loss_of_the_targets_is_pytorchs_own_with_label_smoothing(
    classes: int, images: int, smoothing: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (images,), generator=generator)
    logits = 5 * torch.randn(images, classes, generator=generator)
    expected = F.cross_entropy(logits, labels, label_smoothing=smoothing)
    torch.testing.assert_close(F.cross_entropy(logits, targets(labels, classes, smoothing)), expected)


def test_targets_without_smoothing_are_certain() -> None:
    assert targets(torch.tensor([2, 0]), 3, 0.0).tolist() == [[0, 0, 1], [1, 0, 0]]


def test_a_mix_has_its_share_of_the_image_and_the_rest_of_the_partner() -> None:
    images, partners = noise((3, 4, 5, 3), 0), noise((3, 4, 5, 3), 1)
    share = torch.tensor([1.0, 0.0, 0.25])
    result = mixed(images, partners, share)
    assert torch.equal(result[0], images[0].float())
    assert torch.equal(result[1], partners[1].float())
    torch.testing.assert_close(result[2], images[2] * 0.25 + partners[2] * 0.75)


def test_targets_mix_by_the_same_share() -> None:
    own, other = targets(torch.tensor([0, 1]), 3, 0.3), targets(torch.tensor([2, 1]), 3, 0.3)
    result = mixed_targets(own, other, torch.tensor([0.25, 0.6]))
    torch.testing.assert_close(result, torch.tensor([[0.275, 0.1, 0.625], [0.1, 0.8, 0.1]]))
