"""The fingerprint of a data set: equal for equal data wherever it lies, another for anything else."""

from dataclasses import replace

import pytest
import torch

from training.datasets import Dataset, Examples
from training.datasets.dataset import stretched
from training.datasets.fingerprint import fingerprint


def examples(first: int = 0, count: int = 3) -> Examples:
    return Examples(torch.full((count, 2, 2, 1), first, dtype=torch.uint8), torch.arange(count))


DATASET = Dataset(("a", "b", "c"), examples(1), examples(2), "small test set", stretched(2, 2, 1))


def test_equal_data_has_an_equal_fingerprint_whatever_is_said_of_it() -> None:
    again = Dataset(("a", "b", "c"), examples(1), examples(2), "other words", stretched(2, 2, 1), notes=("a note",))
    assert fingerprint(again) == fingerprint(DATASET)
    assert len(fingerprint(DATASET)) == 64


def test_memory_that_is_not_in_order_changes_nothing() -> None:
    images = examples(1).images
    turned = Examples(images.permute(0, 2, 1, 3), torch.arange(3))
    assert fingerprint(replace(DATASET, training=turned)) == fingerprint(DATASET)


@pytest.mark.parametrize(
    "changed",
    [
        replace(DATASET, class_names=("a", "c", "b")),
        replace(DATASET, training=Examples(DATASET.training.images, torch.tensor([0, 2, 1]))),
        replace(DATASET, training=examples(3)),
        replace(DATASET, test=examples(3)),
        replace(DATASET, training=DATASET.test, test=DATASET.training),
        replace(DATASET, validation=examples(2)),
        replace(DATASET, test=Examples(DATASET.test.images.reshape(3, 4, 1, 1), DATASET.test.labels)),
        replace(DATASET, test=examples(2, 0)),
    ],
)
def test_other_data_has_another(changed: Dataset) -> None:
    assert fingerprint(changed) != fingerprint(DATASET)
