"""A version in 8 bits beside the one it was made from: measured, described, and refused where it lost too much."""

import shutil
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
import torch
from onnx import numpy_helper

from service.engine.model_file import read
from service.engine.model_metadata import ModelMetadata, Provenance, graph_sha256, stated_sha256, with_metadata
from service.engine.parted import Parted
from tests.training.datasets.written import write_class
from tests.training.small_runs import Run
from training.__main__ import main
from training.datasets import Examples, load, split
from training.errors import AccuracyLossError, MissingVersionError, UnusableFileError
from training.files import origin
from training.files.evaluating import evaluated_file
from training.files.quantizing import Result, calibration_images, quantize
from training.graphs.export import Exported
from training.graphs.quantization import quantized
from training.recipes.digits import DIGITS


def copied(finished: Run, folder: Path) -> Path:
    """A repository with versions 0 and 1 of `digits`."""
    shutil.copytree(finished.trained.parents[2], folder / "models")
    return folder / "models"


def quantize_digits(models: Path, version: int | None = None, images: int = 50, max_loss: float = 100.0) -> Result:
    return quantize("digits", version, to="int8", models=models, data=None, images=images, max_loss=max_loss)


def rewritten(file: Path, **fields: object) -> None:
    """The file with other metadata and a right checksum."""
    found = read(file)
    metadata = ModelMetadata.model_validate({**found.metadata.model_dump(), **fields})
    file.write_bytes(with_metadata(found.model, metadata).SerializeToString())


def blinded(file: Path) -> None:
    """A network that 8 bits ruin: an output channel that nobody reads takes the whole range of its tensor."""
    found = read(file)
    weights = {tensor.name: numpy_helper.to_array(tensor).copy() for tensor in found.model.graph.initializer}
    weights["conv1.bias"][0] = 1e5
    weights["conv2.weight"][:, 0] = 0
    for tensor in found.model.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(weights[tensor.name], tensor.name))
    file.write_bytes(with_metadata(found.model, found.metadata).SerializeToString())


@pytest.fixture(scope="module")
def made(finished: Run, tmp_path_factory: pytest.TempPathFactory) -> Result:
    return quantize_digits(copied(finished, tmp_path_factory.mktemp("made")))


def test_it_is_the_next_version_and_the_service_finds_it_sound(made: Result) -> None:
    assert made.path.parts[-3:] == ("digits", "2", "model.onnx")
    found = read(made.path)
    assert found.checksum_stated
    assert found.metadata == made.metadata
    assert found.metadata.provenance.stage == "quantized"


def test_its_figures_are_its_own_on_the_whole_test_set(made: Result) -> None:
    measured = evaluated_file(made.path, None)
    assert made.metadata.metrics == measured
    assert measured.images == 359


def test_it_says_what_it_was_made_from_how_and_how_good_that_was(made: Result, finished: Run) -> None:
    digest = graph_sha256(read(finished.trained).parted)
    before = evaluated_file(finished.trained, None).accuracy
    note = made.metadata.provenance.note or ""
    assert made.accuracy_before == before
    assert f"version 1 (fovea.sha256 {digest}), which has {before:.2%}" in note
    assert "over 50 training images" in note
    trained = finished.metadata[finished.trained].provenance
    assert (made.metadata.provenance.recipe, made.metadata.provenance.seed) == (trained.recipe, trained.seed)


def test_more_points_lost_than_allowed_write_nothing_and_are_named(finished: Run, tmp_path: Path) -> None:
    models = copied(finished, tmp_path)
    blinded(models / "digits" / "1" / "model.onnx")
    with pytest.raises(AccuracyLossError) as caught:
        quantize_digits(models, max_loss=0.3)
    before = evaluated_file(models / "digits" / "1" / "model.onnx", None).accuracy
    assert f"instead of {before:.2%}: " in caught.value.detail
    assert caught.value.detail.endswith("points lost, more than 0.3")
    assert caught.value.remedy.startswith("nothing was written")
    assert sorted(path.name for path in (models / "digits").iterdir()) == ["0", "1"]


def test_the_newest_trained_version_is_taken_and_one_in_8_bits_is_none(made: Result, tmp_path: Path) -> None:
    models = tmp_path / "models"
    shutil.copytree(made.path.parents[2], models)
    again = quantize_digits(models)
    assert again.path.parts[-2] == "3"
    assert "of version 1 " in (again.metadata.provenance.note or "")


@pytest.mark.parametrize(("version", "stage"), [(0, "untrained"), (2, "quantized")])
def test_a_version_that_is_not_trained_is_refused_by_what_it_is(made: Result, version: int, stage: str) -> None:
    with pytest.raises(UnusableFileError, match=f"{version}/model.onnx: it is {stage}, not trained"):
        quantize_digits(made.path.parents[2], version)


def test_a_version_or_a_model_that_is_not_there_is_named_with_what_is(made: Result, tmp_path: Path) -> None:
    with pytest.raises(MissingVersionError, match="digits has no version 7; its versions: 0, 1, 2"):
        quantize_digits(made.path.parents[2], 7)
    with pytest.raises(MissingVersionError, match="digits has no trained version; its versions: none"):
        quantize_digits(tmp_path)


def test_data_of_other_classes_than_the_files_are_refused(finished: Run, tmp_path: Path) -> None:
    models = copied(finished, tmp_path)
    rewritten(models / "digits" / "1" / "model.onnx", class_names=tuple("abcdefghij"))
    with pytest.raises(
        UnusableFileError, match="its classes are not those of the data set: 'a' stands where they have"
    ):
        quantize_digits(models)


def test_a_file_from_elsewhere_is_no_trained_version(finished: Run, tmp_path: Path) -> None:
    models = copied(finished, tmp_path)
    rewritten(models / "digits" / "1" / "model.onnx", provenance=Provenance(stage="foreign").model_dump())
    with pytest.raises(MissingVersionError, match="digits has no trained version; its versions: 0, 1"):
        quantize_digits(models)


def test_the_temperature_is_fitted_to_its_own_answers(finished: Run, tmp_path: Path) -> None:
    models = copied(finished, tmp_path)
    rewritten(models / "digits" / "1" / "model.onnx", temperature=19.0)
    fitted = finished.metadata[finished.trained].temperature
    assert quantize_digits(models).metadata.temperature == pytest.approx(fitted, rel=0.2)


def test_where_the_data_set_holds_images_out_itself_the_temperature_is_fitted_to_these(
    finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against labels that are all wrong the best temperature is the highest; against the training images' it is low."""
    digits = load("digits", None, (8, 8, 1))
    wrong = Examples(digits.test.images, (digits.test.labels + 1) % 10)
    monkeypatch.setattr(origin, "load", lambda *_, **__: replace(digits, validation=wrong))
    assert quantize_digits(copied(finished, tmp_path)).metadata.temperature > 10


def test_pictures_that_cannot_be_read_are_left_out_where_that_is_asked(finished: Run, tmp_path: Path) -> None:
    models = copied(finished, tmp_path)
    provenance = Provenance(stage="trained", recipe="folder")
    rewritten(models / "digits" / "1" / "model.onnx", provenance=provenance.model_dump())
    for name in "0123456789":
        write_class(tmp_path / "pictures" / name, 6)
    (tmp_path / "pictures" / "7" / "broken.png").write_bytes(b"no picture")
    asked = ["quantize", "digits@1", "--models", str(models), "--data", str(tmp_path / "pictures"), "--max-loss", "100"]
    assert main(asked) == 2
    assert main([*asked, "--skip-unreadable"]) == 0
    found = read(models / "digits" / "2" / "model.onnx").metadata.metrics
    assert found is not None
    assert found.images == 10


def test_calibration_sees_only_what_the_recipe_trains_on(made: Result, finished: Run) -> None:
    source = Exported(onnx.load(finished.trained), finished.metadata[finished.trained].layers)
    training, _ = split(load("digits", None, (8, 8, 1)).training, DIGITS.validation_every)
    expected = quantized(source, calibration_images(training, 50))
    assert stated_sha256(read(made.path).model) == graph_sha256(Parted(expected.model))


def test_calibration_images_are_always_the_same_and_at_most_all() -> None:
    examples = Examples(torch.arange(40, dtype=torch.uint8).reshape(10, 2, 2, 1), torch.zeros(10, dtype=torch.long))
    assert torch.equal(calibration_images(examples, 4), calibration_images(examples, 4))
    assert len(calibration_images(examples, 4)) == 4
    assert len(calibration_images(examples, 500)) == 10
