"""Weights from elsewhere: all of them by name and shape, or an error that says which; then a version 1 of their own."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from service.engine.model_file import read
from training.__main__ import main
from training.datasets import load
from training.errors import UnfitWeightsError
from training.files.evaluating import evaluated_file
from training.networks import NETWORKS
from training.networks.digits_cnn import digits_cnn
from training.runs.backbone import backbone_weights
from training.runs.foreign_weights import foreign_weights


def saved(weights: dict[str, Tensor], folder: Path) -> Path:
    torch.save(weights, folder / "mine.pt")
    return folder / "mine.pt"


def weights_of_another(seed: int = 7) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    return digits_cnn().state_dict()


def test_every_weight_is_the_files_and_the_network_itself_is_left_alone(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = digits_cnn()
    before = network.get_parameter("conv1.weight").clone()
    theirs = weights_of_another()
    found, says_pixels = foreign_weights(network, saved(theirs, tmp_path))
    assert says_pixels
    assert found.keys() == theirs.keys()
    assert all(torch.equal(found[name], theirs[name]) for name in theirs)
    assert torch.equal(network.get_parameter("conv1.weight"), before)


def test_a_file_without_pixel_statistics_leaves_those_of_the_network(tmp_path: Path) -> None:
    network = digits_cnn()
    nn.init.constant_(network.get_buffer("normalize.mean"), 5.0)
    theirs = {name: value for name, value in weights_of_another().items() if not name.startswith("normalize.")}
    found, says_pixels = foreign_weights(network, saved(theirs, tmp_path))
    assert not says_pixels
    assert float(found["normalize.mean"]) == 5.0


def test_weights_of_half_the_bits_become_those_of_the_network(tmp_path: Path) -> None:
    halved = {name: value.half() for name, value in weights_of_another().items()}
    found, _ = foreign_weights(digits_cnn(), saved(halved, tmp_path))
    assert found["conv1.weight"].dtype == torch.float32


def without(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in weights.items() if not name.startswith("conv2.")}


def renamed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return weights | {"extra.weight": torch.zeros(1)}


def narrowed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return weights | {"conv1.bias": torch.zeros(3)}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (without, "it lacks 2 of the network's weights: conv2.weight, conv2.bias"),
        (renamed, "1 of its weights are unknown to the network: extra.weight"),
        (narrowed, r"1 of its weights have another shape: conv1.bias is \(3,\), not \(32,\)"),
    ],
)
def test_weights_of_another_network_are_named(change: object, reason: str, tmp_path: Path) -> None:
    assert callable(change)
    with pytest.raises(UnfitWeightsError, match=reason):
        foreign_weights(digits_cnn(), saved(change(weights_of_another()), tmp_path))


def test_the_command_publishes_version_1_with_them_measured_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = weights_of_another()
    arguments = ["export", str(saved(theirs, tmp_path)), "--recipe", "digits", "--name", "mine", "--out", str(tmp_path)]
    assert main(arguments) == 0
    file = tmp_path / "mine" / "1" / "model.onnx"
    assert not (tmp_path / "mine" / "0").exists()
    assert capsys.readouterr().out.startswith(f"{file}  trained  ")
    found = read(file).metadata
    assert found.metrics == evaluated_file(file, None)
    assert (found.provenance.note or "").startswith("weights from mine.pt (sha256 ")
    assert found.training_history is None
    assert found.provenance.seed is None
    exported = backbone_weights(file)
    assert all(torch.equal(exported[name], theirs[name]) for name in theirs)
    assert main(arguments) == 2
    assert "exists" in capsys.readouterr().err


def test_the_command_says_where_the_statistics_of_the_pixels_come_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = {name: value for name, value in weights_of_another().items() if not name.startswith("normalize.")}
    assert main(["export", str(saved(theirs, tmp_path)), "--recipe", "digits", "--out", str(tmp_path)]) == 0
    assert "no mean and deviation of the pixels: they are those of these images" in capsys.readouterr().err


def test_a_file_without_a_recipe_asks_for_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(saved(weights_of_another(), tmp_path))]) == 2
    assert "does not say whose weights it holds; name the recipe: --recipe" in capsys.readouterr().err


def test_the_network_of_the_digits_is_the_recipes() -> None:
    assert digits_cnn().state_dict().keys() == NETWORKS["digits_cnn"].published().state_dict().keys()


def test_the_documents_script_trains_on_no_image_that_the_export_is_measured_on() -> None:
    text = (Path(__file__).parents[3] / "docs" / "train-your-own.md").read_text()
    data = text[text.index("from collections import OrderedDict") : text.index("network = nn.Sequential(")]
    told: dict[str, Tensor] = {}
    exec(data, told)  # noqa: S102 - our own
    expected = load("digits", None, (8, 8, 1)).training
    grey = expected.images[..., 0].float()
    assert torch.equal(told["labels"], expected.labels)
    torch.testing.assert_close(told["pixels"][:, 0], (grey - grey.mean()) / grey.std(), rtol=0, atol=0.01)
