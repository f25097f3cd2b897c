"""Weights and orders that make up for classes of unequal size."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from training.datasets.balance import balanced_order, class_weights
from training.errors import UnfitLabelsError


@st.composite
def labels_of_all_classes(draw: st.DrawFn) -> torch.Tensor:
    classes = draw(st.integers(1, 6))
    more = draw(st.lists(st.integers(0, classes - 1), max_size=60))
    return torch.tensor(draw(st.permutations([*range(classes), *more])))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(labels_of_all_classes())
def test_the_weights_have_a_mean_of_one_over_the_images_and_weigh_every_class_alike(labels: torch.Tensor) -> None:
    classes = int(labels.max()) + 1
    of_images = class_weights(labels, classes)[labels]
    torch.testing.assert_close(of_images.mean(), torch.tensor(1.0))
    sums = torch.stack([of_images[labels == label].sum() for label in range(classes)])
    torch.testing.assert_close(sums, torch.full((classes,), len(labels) / classes))


def test_the_weights_are_those_of_scikit_learn() -> None:
    labels = torch.tensor([0] * 7 + [1] * 2 + [2])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels.numpy())
    torch.testing.assert_close(class_weights(labels, 3), torch.tensor(expected, dtype=torch.float32))


@given(labels_of_all_classes(), st.integers(0, 100))
def test_the_order_draws_every_class_equally_often_and_no_image_more_often_than_it_must(
    labels: torch.Tensor, seed: int
) -> None:
    order = balanced_order(labels, generator(seed))
    assert len(order) == len(labels)
    per_class = torch.bincount(labels[order], minlength=int(labels.max()) + 1)
    assert int(per_class.max()) - int(per_class.min()) <= 1
    per_image = torch.bincount(order, minlength=len(labels))
    for label in range(len(per_class)):
        times = per_image[labels == label]
        assert int(times.max()) - int(times.min()) <= 1


def test_the_order_depends_on_the_generator_alone() -> None:
    labels = torch.tensor([0] * 30 + [1] * 3)
    assert balanced_order(labels, generator(1)).equal(balanced_order(labels, generator(1)))
    assert not balanced_order(labels, generator(1)).equal(balanced_order(labels, generator(2)))


def test_the_classes_are_mixed_and_not_one_after_the_other() -> None:
    drawn = torch.tensor([0] * 50 + [1] * 50)[balanced_order(torch.tensor([0] * 50 + [1] * 50), generator())]
    assert int((drawn[1:] != drawn[:-1]).sum()) > 20


@pytest.mark.parametrize("classes", [3, 4])
def test_a_class_without_images_is_named(classes: int) -> None:
    missing = 1 if classes == 3 else 3
    labels = torch.tensor([0, 0, 2]) if classes == 3 else torch.tensor([0, 1, 2])
    with pytest.raises(UnfitLabelsError) as caught:
        class_weights(labels, classes)
    assert str(caught.value) == (
        f"class number {missing} has no image to train on, so that no weight can balance it; "
        "add some, remove the class, or train without: --set balance=none"
    )


def test_an_order_over_a_class_without_images_is_refused() -> None:
    with pytest.raises(UnfitLabelsError, match="class number 1 has no image"):
        balanced_order(torch.tensor([0, 2, 2]), generator())


def test_no_labels_at_all_are_a_class_without_images() -> None:
    with pytest.raises(UnfitLabelsError, match="class number 0 has no image"):
        balanced_order(torch.tensor([], dtype=torch.int64), generator())


def test_a_label_outside_the_classes_is_named() -> None:
    with pytest.raises(UnfitLabelsError, match="label 5 is outside the 3 classes; labels count from 0"):
        class_weights(torch.tensor([0, 1, 2, 5]), 3)
