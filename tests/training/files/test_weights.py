"""The way back from a file, and the files that ship."""

from pathlib import Path

import pytest
import torch

from service.engine.model_file import read
from tests.training.small_runs import Run
from training.datasets import Dataset, load
from training.errors import UnknownRecipeError, UnusableFileError
from training.evaluation import torch_logits
from training.files.evaluating import evaluated_file
from training.files.weights import load_weights, network_for
from training.graphs.runtime import onnx_logits
from training.recipes import recipe_named

MODELS = Path(__file__).parents[3] / "models"
SHIPPED = sorted(MODELS.glob("*/*/model.onnx"))
IN_8_BITS = MODELS / "mnist" / "2" / "model.onnx"
IN_FLOAT = [file for file in SHIPPED if file.parent.name != IN_8_BITS.parent.name]


def rebuilt(file: Path, recipe: str) -> torch.nn.Module:
    network = network_for(recipe)
    missing, unexpected = network.load_state_dict(load_weights(file), strict=False)
    assert not unexpected
    assert all(name.endswith("num_batches_tracked") for name in missing)
    return network


def test_a_network_rebuilt_from_the_file_answers_as_the_file(finished: Run, few_digits: Dataset) -> None:
    answers = onnx_logits(read(finished.trained).model, few_digits.test.images)
    expected = torch_logits(rebuilt(finished.trained, "digits"), few_digits.test.images)
    torch.testing.assert_close(answers, expected, atol=1e-4, rtol=0)


def test_an_unknown_recipe_has_no_network() -> None:
    with pytest.raises(UnknownRecipeError):
        network_for("nothing")


def test_digits_and_mnist_ship_untrained_and_trained() -> None:
    shipped = [str(file.relative_to(MODELS).parent) for file in SHIPPED]
    assert {"digits/0", "digits/1", "mnist/0", "mnist/1"} <= set(shipped)


@pytest.mark.parametrize("file", IN_FLOAT, ids=lambda file: str(file.relative_to(MODELS).parent))
def test_a_shipped_file_answers_as_the_pytorch_network_with_its_weights(file: Path) -> None:
    checked = read(file)
    name = checked.metadata.provenance.recipe
    assert name
    assert name in file.parts
    height, width = checked.metadata.preprocessing.height, checked.metadata.preprocessing.width
    shape = (20, height, width, checked.metadata.preprocessing.channels)
    images = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    expected = torch_logits(rebuilt(file, name), images)
    torch.testing.assert_close(onnx_logits(checked.model, images), expected, atol=1e-4, rtol=0)
    assert torch.equal(expected.argmax(1), onnx_logits(checked.model, images).argmax(1))


def test_a_file_in_8_bits_gives_no_weights_and_says_where_they_are() -> None:
    with pytest.raises(UnusableFileError, match="its weights are in 8 bits; give the version that it was made from"):
        load_weights(IN_8_BITS)


@pytest.mark.parametrize("version", [0, 1])
def test_the_shipped_digits_reach_what_they_state(version: int) -> None:
    file = MODELS / "digits" / str(version) / "model.onnx"
    stated, measured = read(file).metadata.metrics, evaluated_file(file, None)
    assert stated
    assert measured.accuracy == stated.accuracy
    assert measured.images == len(load(recipe_named("digits").dataset, None, (8, 8, 1)).test)
    assert (measured.accuracy >= 0.985) == (version == 1)
