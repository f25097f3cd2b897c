"""What a network learnt goes on in another: copied where it fits, and left as it was where it is frozen."""

import shutil
from collections import OrderedDict
from copy import deepcopy
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.training.small_runs import Run, planned, session, unwatched
from training.datasets import Dataset, Examples
from training.errors import UnfitBackboneError, UnusableFileError
from training.files.weights import load_weights
from training.learning.group import Group
from training.networks import NETWORKS
from training.recipes import Recipe
from training.runs import checkpoint
from training.runs.backbone import backbone_weights, freeze, head, with_backbone
from training.runs.plan import Plan
from training.runs.publication import published
from training.runs.session import begun, resumed, write_checkpoint


def five_to_nine(dataset: Dataset) -> Dataset:
    """The digits 5..9 as classes 0..4."""

    def upper(examples: Examples) -> Examples:
        kept = examples.where(examples.labels >= 5)
        return Examples(kept.images, kept.labels - 5)

    training, test = upper(dataset.training), upper(dataset.test)
    return replace(dataset, class_names=tuple("56789"), training=training, test=test)


def finetuning(recipe: Recipe, backbone: Path, out: Path = Path("models")) -> Plan:
    return replace(planned(recipe, 1, out), backbone=backbone)


def with_norms() -> nn.Sequential:
    return NETWORKS["mnist_cnn"].published()  # type: ignore[return-value] # it is one


def test_a_frozen_backbone_is_the_same_to_the_bit_and_the_head_learns(
    finished: Run, few_digits: Dataset, short: Recipe, tmp_path: Path
) -> None:
    recipe = replace(short, frozen_backbone=True, max_learning_rate=0.02, average_decay=0.9)
    run = begun(finetuning(recipe, finished.trained, tmp_path), five_to_nine(few_digits), Group())
    unwatched(run.events())
    before = load_weights(finished.trained)
    changed = {
        name for name, value in run.state.kept.items() if name in before and not torch.equal(value, before[name])
    }
    assert changed == {"dense.weight", "dense.bias"}
    assert run.state.kept["dense.bias"].shape == (5,)
    assert not torch.equal(run.state.kept["dense.weight"], run.initial["dense.weight"])
    assert run.state.records[-1].loss < run.state.records[0].loss
    _, trained = published(run).values()
    assert trained.class_names == tuple("56789")
    assert trained.provenance.note == "fine-tuned from model.onnx"


def test_a_backbone_that_is_not_frozen_goes_on_learning(finished: Run, few_digits: Dataset, short: Recipe) -> None:
    run = begun(finetuning(short, finished.trained), five_to_nine(few_digits), Group())
    unwatched(run.events())
    before = load_weights(finished.trained)
    assert torch.equal(run.initial["conv1.weight"], before["conv1.weight"])
    assert not torch.equal(run.state.kept["conv1.weight"], before["conv1.weight"])


def test_a_stopped_run_goes_on_without_the_file_that_it_began_with(
    finished: Run, few_digits: Dataset, short: Recipe, tmp_path: Path
) -> None:
    backbone = tmp_path / "backbone.onnx"
    shutil.copy(finished.trained, backbone)
    dataset = five_to_nine(few_digits)
    run = begun(finetuning(short, backbone, tmp_path), dataset, Group())
    unwatched(islice(run.events(), 4))
    write_checkpoint(tmp_path, run)
    unwatched(run.events())
    backbone.unlink()
    again = resumed(tmp_path, checkpoint.read(tmp_path), dataset, Group())
    unwatched(again.events())
    assert again.initial.keys() == run.initial.keys()
    for found, whole in ((again.initial, run.initial), (again.state.kept, run.state.kept)):
        assert all(torch.equal(found[name], whole[name]) for name in whole)
    assert {said.provenance.note for said in published(again).values()} == {"fine-tuned from backbone.onnx"}


def test_pixels_are_normalised_as_the_backbone_saw_them(finished: Run, few_digits: Dataset, short: Recipe) -> None:
    dark = replace(few_digits, training=Examples(few_digits.training.images // 3, few_digits.training.labels))
    run = begun(finetuning(short, finished.trained), dark, Group())
    assert torch.equal(run.initial["normalize.mean"], load_weights(finished.trained)["normalize.mean"])


def test_frozen_normalisations_keep_their_statistics_in_training_mode_and_in_copies() -> None:
    network = with_norms()
    freeze(network)
    pixels = torch.randint(0, 256, (4, 28, 28, 1), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    for one in (network, deepcopy(network)):
        before = deepcopy(one.state_dict())
        one.train()
        one(pixels)
        assert one.training
        assert [name for name, value in one.state_dict().items() if not torch.equal(value, before[name])] == []


def test_normalisations_that_replace_frozen_ones_on_several_gpus_are_still_too() -> None:
    network = with_norms()
    freeze(network)
    replaced = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call] # torch's own
    replaced.train()
    replaced(torch.zeros(4, 28, 28, 1, dtype=torch.uint8))
    assert isinstance(replaced.bn1, nn.SyncBatchNorm)
    assert not replaced.bn1.training
    assert not replaced.bn1.weight.requires_grad


def test_only_the_last_layer_with_weights_goes_on_learning() -> None:
    network = NETWORKS["airbench_gray"].published()
    freeze(network)
    assert head(network) == ("dense.weight",)
    assert [name for name, parameter in network.named_parameters() if parameter.requires_grad] == ["dense.weight"]


def test_what_does_not_fit_keeps_its_value_and_is_named() -> None:
    network = NETWORKS["digits_cnn"].build(3)
    before = deepcopy(network.state_dict())
    left = with_backbone(network, NETWORKS["digits_cnn"].build(10).state_dict())
    assert left == ("dense.weight", "dense.bias")
    assert torch.equal(network.state_dict()["dense.bias"], before["dense.bias"])


def test_a_network_that_fits_nowhere_is_named_by_one_weight_and_both_shapes() -> None:
    network = NETWORKS["digits_cnn"].published()
    before = deepcopy(network.state_dict())
    other = {"normalize.mean": torch.ones(1, 1, 1), "conv1.weight": torch.zeros(16, 1, 5, 5)}
    with pytest.raises(
        UnfitBackboneError,
        match=r"no weight fits: the network has 'conv1.weight' as 32x1x3x3, the file has it as 16x1x5x5",
    ):
        with_backbone(network, other)
    assert torch.equal(network.state_dict()["normalize.mean"], before["normalize.mean"])
    with pytest.raises(
        UnfitBackboneError, match=r"'conv1.weight' as 32x1x3x3, the file lacks it; give a file of the sa"
    ):
        with_backbone(network, {"normalize.mean": torch.ones(1, 1, 1), "stem.weight": torch.zeros(1)})


@pytest.mark.parametrize("wrapped", ["bare", "state_dict", "parallel"])
def test_a_file_of_pytorch_is_understood_in_its_usual_forms(wrapped: str, tmp_path: Path) -> None:
    weights = NETWORKS["digits_cnn"].published().state_dict()
    parallel = OrderedDict((f"module.{name}", value) for name, value in weights.items())
    content = {"bare": weights, "state_dict": {"epoch": 3, "state_dict": weights}, "parallel": parallel}[wrapped]
    torch.save(content, tmp_path / "weights.pt")
    found = backbone_weights(tmp_path / "weights.pt")
    assert found.keys() == weights.keys()
    assert all(torch.equal(found[name], weights[name]) for name in weights)


def test_of_a_stopped_run_the_weights_that_it_kept_are_taken(
    few_digits: Dataset, short: Recipe, tmp_path: Path
) -> None:
    run = session(short, few_digits)
    unwatched(run.events())
    write_checkpoint(tmp_path, run)
    found = backbone_weights(tmp_path / "checkpoint.pt")
    assert all(torch.equal(found[name], run.state.kept[name]) for name in run.state.kept)


@pytest.mark.parametrize(("name", "content"), [("a.pt", b"no weights"), ("a.onnx", b"no model"), ("b.onnx", b"\xff")])
def test_a_file_that_is_something_else_is_refused_in_one_sentence(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnusableFileError, match=r"PyTorch cannot read it|it is no ONNX file or is cut short"):
        backbone_weights(tmp_path / name)


def test_a_file_without_weights_is_refused_with_what_would_do(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "weights.pt")
    with pytest.raises(
        UnusableFileError, match=r"it holds no weights by name; give an exported model \(\.onnx\), a run"
    ):
        backbone_weights(tmp_path / "weights.pt")
