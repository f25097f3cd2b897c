"""A file measured again, and the one line for a file that cannot be."""

import shutil
from pathlib import Path

import onnx
import pytest

from service.engine.model_metadata import Provenance, with_metadata
from tests.training.small_runs import Run
from training.errors import UnusableFileError
from training.files.describing import describe
from training.files.evaluating import evaluated_file


def test_a_file_is_measured_on_its_recipes_whole_test_set(finished: Run) -> None:
    assert evaluated_file(finished.trained, None).images == 359


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnusableFileError, match=r"nowhere\.onnx: the file cannot be read"):
        evaluated_file(tmp_path / "nowhere.onnx", None)


def test_half_a_file_is_named(finished: Run, tmp_path: Path) -> None:
    half = tmp_path / "half.onnx"
    half.write_bytes(finished.trained.read_bytes()[:5000])
    with pytest.raises(UnusableFileError, match=r"half\.onnx: "):
        evaluated_file(half, None)


def test_a_file_without_a_recipe_is_named(finished: Run, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.onnx"
    shutil.copy(finished.trained, foreign)
    metadata = finished.metadata[finished.trained].model_copy(update={"provenance": Provenance(stage="foreign")})
    onnx.save(with_metadata(onnx.load(foreign), metadata), foreign)
    with pytest.raises(UnusableFileError, match="it names no recipe"):
        evaluated_file(foreign, None)


def test_data_of_other_classes_than_the_files_are_refused_by_all_that_read_them(finished: Run, tmp_path: Path) -> None:
    other = tmp_path / "other.onnx"
    metadata = finished.metadata[finished.trained].model_copy(update={"class_names": ("zero", *"123456789")})
    onnx.save(with_metadata(onnx.load(finished.trained), metadata), other)
    before = other.read_bytes()
    sentence = "its classes are not those of the data set: 'zero' stands where they have '0'; give the data it was"
    with pytest.raises(UnusableFileError, match=sentence):
        evaluated_file(other, None)
    with pytest.raises(UnusableFileError, match=sentence):
        describe(other, None)
    assert other.read_bytes() == before
