"""Accuracy, loss and temperature."""

import math

import pytest
import torch

from training.evaluation import accuracy, cross_entropy, fitted_temperature


def test_accuracy_is_the_share_of_right_answers() -> None:
    logits = torch.tensor([[2.0, 1.0], [0.0, 3.0], [5.0, 4.0], [1.0, 0.0]])
    assert accuracy(logits, torch.tensor([0, 1, 1, 0])) == 0.75


def test_the_loss_of_the_lectures_scores_is_minus_log_of_the_fourth_probability() -> None:
    scores = torch.tensor([[0.87, 3.2, 0.31, 7.2, 1.2, 0.4]])
    probability = math.exp(7.2) / sum(math.exp(score) for score in scores[0].tolist())
    assert probability == pytest.approx(0.98, abs=0.005)
    assert cross_entropy(scores, torch.tensor([3])) == pytest.approx(-math.log(probability), rel=1e-4)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_the_temperature_that_made_the_labels_is_found_again(temperature: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(5_000, 4, generator=generator) * 2 * temperature
    drawn = torch.multinomial(torch.softmax(logits / temperature, 1), 1, generator=generator).flatten()
    assert fitted_temperature(logits, drawn) == pytest.approx(temperature, rel=0.1)


def test_answers_that_are_all_right_do_not_become_endlessly_sure() -> None:
    logits = torch.eye(10).repeat(20, 1)
    temperature = fitted_temperature(logits, torch.arange(10).repeat(20))
    assert 0.05 < temperature < 1
    assert torch.softmax(logits / temperature, 1).max() < 0.999
