"""The loop: it learns, its seed decides everything, and it stops where the loss does."""

from dataclasses import replace

import pytest
import torch

from tests.training.small_runs import session, trained, unwatched
from training.datasets import Dataset, Examples
from training.errors import DivergedError
from training.evaluation import accuracy, torch_logits
from training.learning.events import Epoch, Step
from training.learning.loop import batches_of
from training.recipes import Recipe
from training.recipes.recipe import Keep
from training.runs.session import Session


def test_the_same_seed_gives_the_same_weights_to_the_last_bit(few_digits: Dataset, short: Recipe) -> None:
    first, second = trained(short, few_digits, seed=1), trained(short, few_digits, seed=1)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_another_seed_gives_other_weights(few_digits: Dataset, short: Recipe) -> None:
    first, second = trained(short, few_digits, seed=1), trained(short, few_digits, seed=2)
    assert not torch.equal(first["conv1.weight"], second["conv1.weight"])


def test_eight_epochs_learn_most_of_the_digits(few_digits: Dataset, short: Recipe) -> None:
    run = session(replace(short, epochs=8), few_digits)
    unwatched(run.events())
    test = few_digits.test
    assert accuracy(torch_logits(run.state.network, test.images), test.labels) > 0.8


def test_there_is_an_event_for_every_batch_and_every_epoch(few_digits: Dataset, short: Recipe) -> None:
    events = list(session(short, few_digits).events())
    steps = [(event.epoch, event.step) for event in events if isinstance(event, Step)]
    assert steps == [(epoch, step) for epoch in (1, 2) for step in range(1, 6)]
    assert [(event.record.epoch, event.last) for event in events if isinstance(event, Epoch)] == [(1, False), (2, True)]


def kept_weights(run: Session) -> list[tuple[float, torch.Tensor]]:
    """Of each epoch: the accuracy on the validation part, and the first kernels at its end."""
    return [
        (event.record.validation_accuracy, run.state.network.get_submodule("conv1").get_parameter("weight").clone())
        for event in run.events()
        if isinstance(event, Epoch)
    ]


def contrary(run: Session) -> Session:
    """Against wrong labels every epoch that learns is a worse one, so the best is not the last."""
    validation = Examples(run.validation.images, (run.validation.labels + 1) % 10)
    return replace(run, validation=validation)


def test_the_weights_are_those_of_the_best_epoch_on_the_validation_part(few_digits: Dataset, short: Recipe) -> None:
    run = contrary(session(replace(short, epochs=6), few_digits))
    epochs = kept_weights(run)
    best = max(range(6), key=lambda epoch: (epochs[epoch][0], epoch))
    assert best < 5
    assert run.state.kept_epoch == best + 1
    assert torch.equal(run.state.network.get_submodule("conv1").get_parameter("weight"), epochs[best][1])


def test_or_of_the_last_epoch_where_the_recipe_says_so(few_digits: Dataset, short: Recipe) -> None:
    run = contrary(session(replace(short, epochs=6, keep="last"), few_digits))
    epochs = kept_weights(run)
    assert run.state.kept_epoch == 6
    assert torch.equal(run.state.network.get_submodule("conv1").get_parameter("weight"), epochs[-1][1])


@pytest.mark.parametrize("keep", ["best", "last"])
def test_training_stops_once_patience_is_over_whichever_epoch_is_kept(
    keep: Keep, few_digits: Dataset, short: Recipe
) -> None:
    run = contrary(session(replace(short, epochs=12, patience=3, keep=keep), few_digits))
    accuracies = [accuracy for accuracy, _ in kept_weights(run)]
    assert len(accuracies) == accuracies.index(max(accuracies)) + 1 + 3 < 12


def test_an_epoch_that_is_only_as_good_uses_patience_up(few_digits: Dataset, short: Recipe) -> None:
    run = session(replace(short, epochs=12, patience=2, max_learning_rate=1e-8), few_digits)
    first, *others = [accuracy for accuracy, _ in kept_weights(run)]
    assert others == [first, first]


def test_of_epochs_that_are_equally_good_the_last_is_kept(few_digits: Dataset, short: Recipe) -> None:
    run = session(replace(short, max_learning_rate=1e-6), few_digits)
    (first, before), (second, after) = kept_weights(run)
    assert first == second
    assert not torch.equal(before, after)
    assert run.state.kept_epoch == 2


def test_a_loss_that_is_no_number_stops_the_training_and_says_where(few_digits: Dataset, short: Recipe) -> None:
    recipe = replace(short, max_learning_rate=1e8)
    with pytest.raises(DivergedError, match=r"at step \d+ of epoch 1 .*give a lower one"):
        trained(recipe, few_digits)


def test_bfloat16_trains_to_other_weights_nearby_and_they_are_float32(few_digits: Dataset, short: Recipe) -> None:
    whole, half = trained(short, few_digits, seed=1), trained(replace(short, bfloat16=True), few_digits, seed=1)
    assert {weights.dtype for weights in half.values()} == {torch.float32}
    assert not torch.equal(half["conv2.weight"], whole["conv2.weight"])
    assert float((half["conv2.weight"] - whole["conv2.weight"]).abs().mean()) < 0.005


def test_the_average_of_the_weights_is_what_is_measured_and_kept(few_digits: Dataset, short: Recipe) -> None:
    run = session(replace(short, average_decay=0.9, keep="last"), few_digits)
    ((_, _), (_, last)) = kept_weights(run)
    kept = run.state.network.get_submodule("conv1").get_parameter("weight")
    assert run.state.average is not None
    assert torch.equal(kept, run.state.average.module.get_submodule("conv1").get_parameter("weight"))
    assert not torch.equal(kept, last)


@pytest.mark.parametrize("optimizer", ["sgd", "muon"])
def test_every_optimizer_learns(optimizer: str, few_digits: Dataset, short: Recipe) -> None:
    rate = {"sgd": 0.05, "muon": 0.05}[optimizer]
    run = session(replace(short, epochs=8, optimizer=optimizer, max_learning_rate=rate), few_digits)  # type: ignore[arg-type]
    unwatched(run.events())
    assert run.state.records[-1].validation_accuracy > 0.7


def test_sampling_shows_rare_classes_as_often_as_frequent_ones(few_digits: Dataset, short: Recipe) -> None:
    digits = few_digits.training
    keep = (digits.labels != 0) | (torch.arange(len(digits)) < 60)
    rare = replace(few_digits, training=digits.where(keep))
    recipe = replace(short, epochs=4)
    plain, balanced = (
        trained(replace(recipe, balance=balance), rare)["dense.bias"][0] for balance in ("none", "sampling")
    )
    assert balanced > plain


def test_what_is_too_few_for_every_process_joins_the_batch_before() -> None:
    sizes = [len(batch) for batch in batches_of(torch.arange(103), 20, world=2)]
    assert sizes == [20, 20, 20, 20, 23]
    assert [len(batch) for batch in batches_of(torch.arange(104), 20, world=2)] == [20, 20, 20, 20, 20, 4]


def test_every_image_is_in_one_batch() -> None:
    order = torch.randperm(103, generator=torch.Generator().manual_seed(0))
    assert torch.equal(torch.cat(batches_of(order, 20, world=4)), order)
