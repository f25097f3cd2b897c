"""A run that is stopped and taken up again is the run that was never stopped, to the last bit."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.training.small_runs import planned, session, trained, unwatched
from training.datasets import Dataset, Examples
from training.errors import CheckpointError, InvalidRecipeError, UnfitImagesError, UnfitLabelsError
from training.hardware import hardware
from training.learning.group import Group
from training.networks import NETWORKS, Architecture
from training.recipes import Recipe
from training.runs import checkpoint
from training.runs.publication import history
from training.runs.session import begun, initial_network, resumed, write_checkpoint


@pytest.fixture
def everything(short: Recipe, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """Every source of randomness and every kind of state at once."""

    def network(classes: int) -> nn.Module:
        *layers, (_, dense) = NETWORKS["digits_cnn"].build(classes).named_children()
        return nn.Sequential(OrderedDict([*layers, ("dropout", nn.Dropout(0.3)), ("dense", dense)]))

    monkeypatch.setitem(NETWORKS, "with_dropout", Architecture(network, (8, 8, 1)))
    return replace(
        short,
        network="with_dropout",
        epochs=3,
        optimizer="muon",
        max_learning_rate=0.02,
        average_decay=0.9,
        crop_pixels=1,
        mirror="random",
        erased_side=2,
        brightness_share=0.1,
        contrast_share=0.1,
        mixup_alpha=0.2,
        balance="sampling",
    )


def stopped_after(events: int, recipe: Recipe, dataset: Dataset, folder: Path) -> None:
    run = session(recipe, dataset, seed=5)
    unwatched(islice(run.events(), events))
    write_checkpoint(folder, run)
    torch.manual_seed(99)  # what another program would have drawn meanwhile


def gone_on(dataset: Dataset, folder: Path) -> dict[str, Tensor]:
    run = resumed(folder, checkpoint.read(folder), dataset, Group())
    unwatched(run.events())
    return dict(run.state.network.state_dict())


@pytest.mark.parametrize("events", [1, 3, 6, 7, 15], ids=lambda events: f"after_event_{events}")
def test_stopped_anywhere_and_resumed_is_uninterrupted_to_the_bit(
    events: int, everything: Recipe, few_digits: Dataset, tmp_path: Path
) -> None:
    """Five batches and an epoch's end make six events an epoch: 1, 3, 7 and 15 are in the middle of one."""
    whole = trained(everything, few_digits, seed=5)
    stopped_after(events, everything, few_digits, tmp_path)
    resumed_weights = gone_on(few_digits, tmp_path)
    assert [name for name in whole if not torch.equal(whole[name], resumed_weights[name])] == []


def test_figures_and_time_go_on_too(short: Recipe, few_digits: Dataset, tmp_path: Path) -> None:
    whole = session(short, few_digits, seed=5)
    unwatched(whole.events())
    stopped_after(6, short, few_digits, tmp_path)
    run = resumed(tmp_path, checkpoint.read(tmp_path), few_digits, Group())
    before = run.state.seconds
    unwatched(run.events())
    assert before > 0
    assert run.state.seconds > before
    timeless = {"seconds"}
    assert [r.model_dump(exclude=timeless) for r in run.state.records] == [
        r.model_dump(exclude=timeless) for r in whole.state.records
    ]


def test_the_hardware_is_what_it_was_trained_on(short: Recipe, few_digits: Dataset, tmp_path: Path) -> None:
    run = replace(session(short, few_digits), hardware=("8 x Abacus",))
    unwatched(islice(run.events(), 6))
    write_checkpoint(tmp_path, run)
    found = resumed(tmp_path, checkpoint.read(tmp_path), few_digits, Group())
    here = hardware(Group())
    assert history(found).hardware == "8 x Abacus"
    assert history(found.gone_on()).hardware == f"8 x Abacus; then {here}"
    assert history(found.gone_on().gone_on()).hardware == f"8 x Abacus; then {here}"


def test_a_checkpoint_from_before_hardware_was_kept_says_that_it_is_not_known(
    short: Recipe, few_digits: Dataset, tmp_path: Path
) -> None:
    stopped_after(6, short, few_digits, tmp_path)
    content = torch.load(tmp_path / checkpoint.FILE, weights_only=True)
    del content["hardware"]
    torch.save(content, tmp_path / checkpoint.FILE)
    found = resumed(tmp_path, checkpoint.read(tmp_path), few_digits, Group())
    assert history(found).hardware == "not stated"
    assert history(found.gone_on()).hardware == f"not stated; then {hardware(Group())}"


def test_other_data_are_refused(short: Recipe, few_digits: Dataset, tmp_path: Path) -> None:
    stopped_after(2, short, few_digits, tmp_path)
    training = few_digits.training
    other = replace(few_digits, training=Examples(training.images.clone().fill_(1), training.labels))
    with pytest.raises(CheckpointError, match="was made with other data; give the folder of that data: --data"):
        resumed(tmp_path, checkpoint.read(tmp_path), other, Group())


def test_another_number_of_processes_is_refused(short: Recipe, few_digits: Dataset, tmp_path: Path) -> None:
    stopped_after(2, short, few_digits, tmp_path)
    with pytest.raises(CheckpointError, match="made by 1 processes, these are 2; start as many: torchrun --nproc-per"):
        resumed(tmp_path, checkpoint.read(tmp_path), few_digits, Group(world=2))


def test_one_class_is_not_enough(short: Recipe, few_digits: Dataset) -> None:
    zeros = few_digits.training.where(few_digits.training.labels == 0)
    dataset = replace(few_digits, class_names=("0",), training=zeros, test=zeros)
    with pytest.raises(UnfitLabelsError, match="there is only one class: 0; give images of another"):
        begun(planned(short), dataset, Group())


def test_a_label_without_a_class_is_named(short: Recipe, few_digits: Dataset) -> None:
    dataset = replace(few_digits, class_names=tuple("0123456"))
    with pytest.raises(UnfitLabelsError, match=r"labels lie in 0\.\.9; the 7 classes are 0\.\.6"):
        begun(planned(short), dataset, Group())


@pytest.mark.parametrize(
    ("dataset", "remedy"),
    [
        ("digits", "give another network: --set network=..."),
        ("folder", "give another network: --set network=..., or another size: --set image_side=..."),
    ],
)
def test_images_too_small_for_the_network_are_named_with_what_can_be_set(
    dataset: str, remedy: str, short: Recipe, few_digits: Dataset
) -> None:
    recipe = replace(short, network="mnist_cnn", dataset=dataset)
    with pytest.raises(
        UnfitImagesError, match=r"network mnist_cnn takes images of 28x28x1 \(height x width x channels\)"
    ) as caught:
        begun(planned(recipe), few_digits, Group())
    assert caught.value.remedy == remedy


def test_an_unknown_network_is_answered_with_the_known_ones(short: Recipe, few_digits: Dataset) -> None:
    with pytest.raises(
        InvalidRecipeError, match=r"setting 'network'='none' cannot be used; the networks are: .*mnist_cnn"
    ):
        begun(planned(replace(short, network="none")), few_digits, Group())


def test_nothing_to_hold_out_is_named(short: Recipe, few_digits: Dataset) -> None:
    with pytest.raises(InvalidRecipeError, match="no class has that many images"):
        begun(planned(replace(short, validation_every=900)), few_digits, Group())


def test_what_the_data_set_sets_aside_chooses_the_epoch(short: Recipe, few_digits: Dataset) -> None:
    run = session(short, replace(few_digits, validation=few_digits.test))
    assert run.validation is few_digits.test
    assert len(run.training) == len(few_digits.training)


def test_the_seed_decides_the_first_weights(short: Recipe, few_digits: Dataset) -> None:
    first, again, other = (
        initial_network(planned(short, seed), few_digits).state_dict()["conv1.weight"] for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.fixture(autouse=True)
def _own_randomness() -> Iterator[None]:
    state = torch.get_rng_state()
    yield
    torch.set_rng_state(state)
