"""A report of a file that ships: whole, alone, the same every time, and with the figures of the file."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
import pytest
from sklearn.metrics import confusion_matrix

from service.engine.model_file import read
from service.engine.model_metadata import Metrics, ModelMetadata, with_metadata
from tests.training.reporting.reports import Taken
from tests.training.reporting.test_charts import history
from training.datasets import load
from training.errors import UnusableFileError
from training.graphs.runtime import onnx_logits
from training.recipes import recipe_named
from training.reporting.report import report

SHIPPED = Path(__file__).parents[3] / "models"
DIGITS_FILE = SHIPPED / "digits" / "1" / "model.onnx"
MNIST = Path(os.environ.get("FOVEA_DATA", Path(__file__).parents[4] / "shared" / "data")) / "mnist"
SECTIONS = [
    "results", "curves", "confusion", "classes", "calibration", "mistakes", "filters", "maps", "layers", "recipe",
    "time", "provenance",
]  # fmt: skip


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """Versions 0 and 1 of the model that ships, at a place of their own."""
    shutil.copytree(SHIPPED / "digits", tmp_path / "models" / "digits")
    return tmp_path / "models" / "digits" / "1" / "model.onnx"


def changed(file: Path, change: Callable[[ModelMetadata], ModelMetadata]) -> None:
    found = read(file)
    onnx.save(with_metadata(found.model, change(found.metadata)), file)


def written(file: Path, test_time: Metrics | None = None) -> str:
    return report(file, None, file.with_name("report.html"), test_time=test_time).read_text()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of version 1 as it ships."""
    return report(DIGITS_FILE, None, tmp_path_factory.mktemp("reports") / "report.html").read_text()


def test_a_page_has_all_sections_and_asks_for_nothing(plain: str) -> None:
    taken = Taken(plain)
    ids = taken.ids()
    assert [each for each in ids if each in SECTIONS] == SECTIONS
    assert len(ids) == len(set(ids))
    assert taken.requests == []
    assert not [tag for tag, _ in taken.elements if tag in ("script", "iframe", "object", "embed", "form", "base")]
    assert {attrs["href"][1:] for tag, attrs in taken.elements if tag == "a"} == set(SECTIONS)


def test_no_address_stands_anywhere_in_a_page(plain: str) -> None:
    assert "http:" not in plain
    assert "https:" not in plain
    assert "url(" not in plain.replace("url(#", "")
    assert "@import" not in plain


def test_every_picture_and_chart_says_in_words_what_it_shows(digits: Path) -> None:
    changed(digits, lambda found: found.model_copy(update={"training_history": history()}))
    taken = Taken(written(digits))
    assert next(attrs for tag, attrs in taken.elements if tag == "html")["lang"] == "en"
    pictures = [attrs["alt"] for tag, attrs in taken.elements if tag == "img"]
    charts = [attrs["aria-label"] for _, attrs in taken.elements if attrs.get("role") == "img"]
    assert (len(pictures), len(charts)) == (2 + 2 + 2 * 3, 3 + 2)
    assert all(pictures)
    assert all(charts)


def test_the_same_file_gives_the_same_page(digits: Path, plain: str) -> None:
    assert written(digits) == plain


def test_its_figures_are_those_that_the_file_states_and_that_are_computed_by_hand(plain: str) -> None:
    file, taken = read(DIGITS_FILE), Taken(plain)
    assert file.metadata.metrics is not None
    test = load("digits", None, (8, 8, 1)).test
    logits = onnx_logits(file.model, test.images)
    measured, stated = taken.table("answers", "accuracy")
    assert measured[1:] == stated[1:] == ["99.44%", "0.0215", "359", "UCI digits, held-out stratified 20 %"]
    assert f"{file.metadata.metrics.accuracy:.2%}" == measured[1]
    matrix = [list(map(int, row[1:])) for row in taken.table("", "class given")[1:]]
    assert matrix == confusion_matrix(test.labels.numpy(), logits.argmax(1).numpy()).tolist()
    errors = [_calibration_error(logits.numpy().astype(float) / t, test.labels.numpy()) for t in (1, 0.7061)]
    assert [row[2] for row in taken.table("", "temperature")] == [f"{error:.3%}" for error in errors]


def _calibration_error(scores: np.ndarray, labels: np.ndarray) -> float:
    probabilities = np.exp(scores - scores.max(1, keepdims=True))
    probabilities /= probabilities.sum(1, keepdims=True)
    sure, right = probabilities.max(1), probabilities.argmax(1) == labels
    bins = np.ceil(sure * 15)
    gaps = [abs(right[bins == n].sum() - sure[bins == n].sum()) for n in range(1, 16)]
    return float(sum(gaps)) / len(labels)


def test_what_lies_inside_is_said_as_the_service_says_it(plain: str) -> None:
    rows = Taken(plain).table("layer", "kind")
    conv2 = next(row for row in rows if row[0] == "conv2")
    assert conv2[1:] == [
        "conv", "3x3", "1", "1", "1x64x4x4", "floor((4 + 2*1 - 3)/1) + 1 = 4", "18,496", "294,912", "4.0 KiB",
        "8x8 every 2",
    ]  # fmt: skip


def test_without_a_history_the_page_says_so_and_shows_the_recipe_as_it_is_now(plain: str) -> None:
    text = Taken(plain).text
    assert text.count("it was exported without a history") == 2
    assert "these are the recipe's as this program has them" in text
    assert all(key in text for key in asdict(recipe_named("digits")))


def test_a_history_gives_curves_time_hardware_and_every_setting(digits: Path) -> None:
    trained = history().model_copy(update={"recipe": {"epochs": "7", "warmth": "high"}, "seconds": 200.0})
    changed(digits, lambda found: found.model_copy(update={"training_history": trained}))
    taken = Taken(written(digits))
    assert taken.table("epoch", "loss")[1] == ["2", "1.0000", "75.00%", "1.5000", "87.50%", "0.05", "2.0"]
    assert ["training took", "3 min 20 s, 4 epochs"] in [row for table in taken.tables for row in table]
    assert ["hardware", "2 threads"] in [row for table in taken.tables for row in table]
    assert "warmth" in taken.text
    assert "momentum" not in taken.text


def test_only_where_the_file_has_a_history_is_it_known_what_the_temperature_was_fitted_on(
    digits: Path, plain: str
) -> None:
    sentence = "The temperature was fitted on held-out training images, never on these."
    assert sentence not in plain
    changed(digits, lambda found: found.model_copy(update={"training_history": history()}))
    assert sentence in written(digits)


def test_changed_settings_are_marked(digits: Path) -> None:
    provenance = read(digits).metadata.provenance.model_copy(update={"settings": ("weight_decay=0.5",)})
    changed(digits, lambda found: found.model_copy(update={"provenance": provenance}))
    html = written(digits)
    assert '<div class="changed"><dt>weight_decay</dt><dd>0.5</dd></div>' in html
    assert html.count('class="changed"') == 1


def test_filters_stand_beside_those_of_version_0(plain: str) -> None:
    assert plain.count("untrained left, trained right") == 2
    assert "Training moved the layer's weights by" in plain


def test_where_version_0_is_absent_the_page_says_so(digits: Path) -> None:
    shutil.rmtree(digits.parents[1] / "0")
    html = written(digits)
    assert "There is no version 0, the untrained network, beside this file" in html
    assert "Filters of conv1" in html


def test_a_version_0_that_cannot_be_read_is_said_to_be(digits: Path) -> None:
    (digits.parents[1] / "0" / "model.onnx").write_bytes(b"words")
    assert "Version 0 cannot be compared with: " in written(digits)


def test_a_version_0_of_another_network_is_said_to_be(digits: Path) -> None:
    shutil.copy(SHIPPED / "mnist" / "0" / "model.onnx", digits.parents[1] / "0" / "model.onnx")
    html = written(digits)
    assert "Version 0 cannot stand beside it: " in html
    assert "its conv1 has another shape, 16x1x5x5" in html
    assert 'alt="Filters of conv1"' in html


def test_version_0_itself_has_nothing_before_it(digits: Path) -> None:
    assert "This is version 0, the untrained network" in written(digits.parents[1] / "0" / "model.onnx")


def test_test_time_augmentation_has_a_row_of_its_own(digits: Path) -> None:
    views = Metrics(dataset="two views", images=359, accuracy=0.5, loss=1.25)
    rows = Taken(written(digits, test_time=views)).table("answers", "accuracy")
    assert rows[1] == ["with test-time augmentation", "50.00%", "1.2500", "359", "two views"]


def test_the_files_checksums_stand_in_it(plain: str) -> None:
    file, text = read(DIGITS_FILE), Taken(plain).text
    assert file.sha256 in text
    stated = {prop.key: prop.value for prop in file.model.metadata_props}
    assert stated["fovea.sha256"] in text
    assert json.loads(stated["fovea.provenance"])["commit"] in text


def test_classes_that_are_not_the_data_sets_are_refused_and_nothing_is_written(digits: Path) -> None:
    names = ("zero", *"123456789")
    changed(digits, lambda found: found.model_copy(update={"class_names": names}))
    with pytest.raises(UnusableFileError, match=r"its classes are not those of the data set: .*; give the data it was"):
        written(digits)
    assert not digits.with_name("report.html").exists()


@pytest.mark.skipif(not MNIST.is_dir(), reason=f"needs {MNIST} (FOVEA_DATA names the folder above)")
def test_the_page_of_mnist_is_small_and_has_the_files_accuracy(tmp_path: Path) -> None:
    out = report(SHIPPED / "mnist" / "1" / "model.onnx", MNIST, tmp_path / "report.html")
    assert out.stat().st_size < 1_000_000
    measured, stated = Taken(out.read_text()).table("answers", "accuracy")
    assert measured[1:] == stated[1:]
