"""What is held out: a share of each class, always the same images."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.datasets import Examples, split
from training.datasets.dataset import held_out_mask

labels_of_some_classes = st.lists(st.integers(0, 4), min_size=1, max_size=200).map(torch.tensor)


@settings(max_examples=50, deadline=None)
@given(labels_of_some_classes, st.integers(2, 12))
def test_each_class_gives_its_share_to_within_half_an_image(labels: torch.Tensor, every: int) -> None:
    mask = held_out_mask(labels, every)
    for label in set(labels.tolist()):
        of_class = labels == label
        assert abs(int(mask[of_class].sum()) - int(of_class.sum()) / every) <= 0.5


@settings(max_examples=50, deadline=None)
@given(labels_of_some_classes, st.integers(2, 12))
def test_a_split_loses_and_doubles_no_image(labels: torch.Tensor, every: int) -> None:
    identities = torch.arange(len(labels), dtype=torch.uint8).reshape(-1, 1, 1, 1)
    rest, held_out = split(Examples(identities, labels), every)
    both = torch.cat([rest.images, held_out.images]).flatten()
    assert sorted(both.tolist()) == list(range(len(labels)))


def test_every_third_of_a_class_is_the_one_in_the_middle_of_three() -> None:
    labels = torch.tensor([7, 7, 7, 0, 7, 7, 7])
    assert held_out_mask(labels, 3).tolist() == [False, True, False, False, False, True, False]
