"""The loop: it learns, its seed decides everything, and it stops where the loss does."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.small_runs import unwatched
from training.datasets import Dataset, Examples, split
from training.errors import DivergedError
from training.evaluation import accuracy, torch_logits
from training.loop import Epoch, Step, learning_rate, train
from training.recipes import Recipe
from training.run import initial_network


def trained(dataset: Dataset, recipe: Recipe, seed: int) -> dict[str, torch.Tensor]:
    network = initial_network(recipe, dataset, seed)
    unwatched(train(network, *split(dataset.training, 6), recipe))
    return dict(network.state_dict())


def test_the_same_seed_gives_the_same_weights_to_the_last_bit(few_digits: Dataset, short: Recipe) -> None:
    first, second = trained(few_digits, short, seed=1), trained(few_digits, short, seed=1)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_another_seed_gives_other_weights(few_digits: Dataset, short: Recipe) -> None:
    first, second = trained(few_digits, short, seed=1), trained(few_digits, short, seed=2)
    assert not torch.equal(first["conv1.weight"], second["conv1.weight"])


def test_eight_epochs_learn_most_of_the_digits(few_digits: Dataset, short: Recipe) -> None:
    recipe = replace(short, epochs=8)
    network = initial_network(recipe, few_digits, seed=0)
    unwatched(train(network, *split(few_digits.training, 6), recipe))
    assert accuracy(torch_logits(network, few_digits.test.images), few_digits.test.labels) > 0.8


def test_there_is_an_event_for_every_batch_and_every_epoch(few_digits: Dataset, short: Recipe) -> None:
    training, validation = split(few_digits.training, 6)
    events = list(train(initial_network(short, few_digits, 0), training, validation, short))
    steps = [(event.epoch, event.step) for event in events if isinstance(event, Step)]
    assert steps == [(epoch, step) for epoch in (1, 2) for step in range(1, 6)]
    assert [event.epoch for event in events if isinstance(event, Epoch)] == [1, 2]


def test_the_weights_are_those_of_the_best_epoch_on_the_validation_part(few_digits: Dataset, short: Recipe) -> None:
    network = initial_network(short, few_digits, seed=0)
    training, validation = split(few_digits.training, 6)
    # Against wrong labels every epoch that learns is a worse one, so the best is not the last.
    contrary = Examples(validation.images, (validation.labels + 1) % 10)
    reached, weights = [], []
    for event in train(network, training, contrary, replace(short, epochs=6)):
        if isinstance(event, Epoch):
            reached.append(event.validation_accuracy)
            weights.append(network.get_submodule("conv1").get_parameter("weight").clone())
    assert reached[-1] < max(reached)
    best = max(range(6), key=lambda epoch: (reached[epoch], epoch))
    assert torch.equal(network.get_submodule("conv1").get_parameter("weight"), weights[best])


def test_of_epochs_that_are_equally_good_the_last_is_kept(few_digits: Dataset, short: Recipe) -> None:
    network = initial_network(short, few_digits, seed=0)
    reached, weights = [], []
    for event in train(network, *split(few_digits.training, 6), replace(short, max_learning_rate=1e-6)):
        if isinstance(event, Epoch):
            reached.append(event.validation_accuracy)
            weights.append(network.get_submodule("conv1").get_parameter("weight").clone())
    assert reached[0] == reached[1]
    assert not torch.equal(weights[0], weights[1])
    assert torch.equal(network.get_submodule("conv1").get_parameter("weight"), weights[1])


def test_a_loss_that_is_no_number_stops_the_training_and_says_where(few_digits: Dataset, short: Recipe) -> None:
    recipe = replace(short, max_learning_rate=1e8)
    with pytest.raises(DivergedError, match=r"at step \d+ of epoch 1 .*nothing was written; give a lower one"):
        trained(few_digits, recipe, seed=0)


def test_bfloat16_trains_to_other_weights_nearby_and_they_are_float32(few_digits: Dataset, short: Recipe) -> None:
    whole, half = trained(few_digits, short, seed=1), trained(few_digits, replace(short, bfloat16=True), seed=1)
    assert {weights.dtype for weights in half.values()} == {torch.float32}
    assert not torch.equal(half["conv2.weight"], whole["conv2.weight"])
    assert float((half["conv2.weight"] - whole["conv2.weight"]).abs().mean()) < 0.005


def test_mirroring_every_image_is_training_on_the_mirrored_data_set(few_digits: Dataset, short: Recipe) -> None:
    plain = replace(short, epochs=1, rotation_degrees=0.0, scale_share=0.0, shift_pixels=0.0)
    examples = few_digits.training
    turned = replace(few_digits, training=Examples(examples.images.flip(2).contiguous(), examples.labels))
    mirrored = trained(few_digits, replace(plain, mirrored_share=1.0), seed=1)
    expected = trained(turned, plain, seed=1)
    torch.testing.assert_close(mirrored["conv1.weight"], expected["conv1.weight"])
    assert not torch.equal(mirrored["conv1.weight"], trained(few_digits, plain, seed=1)["conv1.weight"])


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 500), st.floats(1e-5, 10))
def test_the_learning_rate_reaches_its_peak_and_is_never_above_or_below_zero(steps: int, peak: float) -> None:
    rates = [learning_rate(step, steps, peak) for step in range(steps)]
    assert max(rates) == pytest.approx(peak)
    assert min(rates) >= 0


def test_the_learning_rate_ends_near_zero() -> None:
    assert learning_rate(999, 1000, 1.0) < 1e-4
