"""The figures of a report, against scikit-learn, torchmetrics and arithmetic by hand."""

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss, precision_recall_fscore_support
from torchmetrics.functional.classification import multiclass_calibration_error

from training.reporting.measured import Measured, calibration, confused_pairs, measured, mistakes
from training.tensors import Labels, Logits

NAMES = ("ant", "bee", "cat", "dog", "eel")


def answers(images: int = 800, classes: int = 5, seed: int = 0) -> tuple[Logits, Labels]:
    """Right about every other time."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (images,), generator=random)
    logits = torch.randn(images, classes, generator=random)
    logits[torch.arange(images), labels] += 1.0
    return logits, labels


def named(logits: Logits, labels: Labels, temperature: float = 0.5) -> Measured:
    return measured(logits, labels, NAMES, temperature)


def test_the_matrix_and_the_figures_of_each_class_are_scikit_learns() -> None:
    logits, labels = answers()
    found, given = named(logits, labels), logits.argmax(1).numpy()
    assert found.confusion.tolist() == confusion_matrix(labels.numpy(), given).tolist()
    assert (found.confusion.sum(), np.trace(found.confusion)) == (found.images, found.right) == (800, found.right)
    assert found.accuracy == accuracy_score(labels.numpy(), given) == found.right / 800
    columns = precision_recall_fscore_support(labels.numpy(), given)
    for figure, column in zip(("precision", "recall", "f1", "support"), columns, strict=True):
        assert [getattr(each, figure) for each in found.classes] == pytest.approx(column.tolist(), abs=1e-6)


def test_the_calibration_error_is_the_weighted_gap_over_fifteen_bins() -> None:
    logits, labels = answers()
    found = calibration(logits, labels, 0.5)
    probabilities = np.exp(logits.numpy().astype(float) / 0.5)
    probabilities /= probabilities.sum(1, keepdims=True)
    sure, right = probabilities.max(1), probabilities.argmax(1) == labels.numpy()
    by_hand = 0.0
    for number in range(15):
        inside = (sure > number / 15) & (sure <= (number + 1) / 15)
        by_hand += abs(right[inside].sum() - sure[inside].sum()) / len(sure)
    assert found.error == pytest.approx(by_hand, abs=1e-12)
    library = multiclass_calibration_error(torch.from_numpy(probabilities), labels, 5, n_bins=15, norm="l1")
    assert found.error == pytest.approx(float(library), abs=1e-6)
    assert found.loss == pytest.approx(log_loss(labels.numpy(), probabilities), abs=1e-9)
    assert sum(each.count for each in found.bins) == 800


def test_certain_answers_lie_in_the_last_bin() -> None:
    logits = torch.tensor([[900.0, 0.0], [900.0, 0.0], [0.0, 900.0], [0.0, 900.0]])
    found = calibration(logits, torch.tensor([0, 0, 1, 0]), 1.0)
    (only,) = found.bins
    assert (only.count, only.high, only.confidence, only.accuracy) == (4, 1.0, 1.0, 0.75)
    assert found.error == 0.25


def test_before_is_at_temperature_one_and_after_at_the_files() -> None:
    logits, labels = answers()
    found = named(logits, labels, temperature=2.0)
    assert (found.before, found.after) == (calibration(logits, labels, 1.0), calibration(logits, labels, 2.0))
    assert found.before.error != found.after.error


def test_figures_without_anything_to_divide_by_are_left_out() -> None:
    found = named(torch.eye(5)[[0, 0, 1]], torch.tensor([0, 2, 1]))
    ant, _, cat, dog, _ = found.classes
    assert (ant.precision, ant.recall, ant.support, ant.given) == (0.5, 1.0, 1, 2)
    assert (cat.precision, cat.recall, cat.f1) == (None, 0.0, 0.0)
    assert (dog.precision, dog.recall, dog.f1) == (None, None, None)


def test_the_worst_mistakes_are_the_surest_wrong_answers() -> None:
    logits, labels = answers()
    found = named(logits, labels)
    sure, given = torch.softmax(logits.double() / 0.5, 1).max(1)
    wrong = [image for image in range(800) if given[image] != labels[image]]
    expected = sorted(wrong, key=lambda image: -float(sure[image]))[:7]
    worst = mistakes(found, labels, 7)
    assert [each.image for each in worst] == expected
    assert worst[0].probability == pytest.approx(float(sure[expected[0]]))
    assert (worst[0].true, worst[0].given) == (NAMES[labels[expected[0]]], NAMES[given[expected[0]]])
    assert worst[0].probability_of_true < worst[0].probability


def test_without_a_mistake_there_is_none_and_no_pair() -> None:
    found = named(torch.eye(5), torch.arange(5))
    assert (mistakes(found, torch.arange(5), 7), confused_pairs(found, 7)) == ((), ())


def test_the_pairs_are_the_largest_entries_beside_the_diagonal() -> None:
    found = named(torch.eye(5)[[1, 1, 4, 0, 0]], torch.tensor([0, 0, 3, 0, 1]))
    pairs = confused_pairs(found, 2)
    assert [(each.true, each.given, each.count) for each in pairs] == [("ant", "bee", 2), ("bee", "ant", 1)]
    assert pairs[0].share == pytest.approx(2 / 3)
