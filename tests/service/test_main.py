"""The command line, as a person types it."""

import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from service.__main__ import main
from service.engine import model_file
from tests import tiny_models


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    path = tmp_path / "foreign.onnx"
    onnx.save_model(tiny_models.classifier(classes=3), path)
    return path


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.txt"
    path.write_text("\ufeffant\r\nbee\r\ncat\r\n", encoding="utf-8")
    return path


def test_check_says_what_a_file_holds(foreign: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(foreign)]) == 0
    text = capsys.readouterr().out
    assert "foreign.onnx: can be served" in text
    assert "image float32 NCHW [?, 3, 8, 8]" in text
    assert "logits, 3 classes, logits" in text
    assert "assumed        class_names, preprocessing" in text


def test_check_says_what_is_wrong_and_what_would_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"<html>")
    assert main(["check", str(tmp_path / "bad.onnx")]) == 1
    text = capsys.readouterr().out
    assert "cannot be served" in text
    assert "model_corrupt: the file is not ONNX or is cut short" in text
    assert "remedy: copy or export it again" in text


def test_add_puts_a_foreign_file_into_the_repository_with_what_it_lacks(
    foreign: Path, labels: Path, tmp_path: Path
) -> None:
    repository = tmp_path / "models"
    options = ["--labels", str(labels), "--mean", "0.5", "--std", "0.25", "--resize", "pad", "--temperature", "1.5"]
    assert main(["add", str(foreign), "--name", "own", "--models", str(repository), *options]) == 0
    file = model_file.read(repository / "own" / "1" / "model.onnx")
    assert file.metadata.class_names == ("ant", "bee", "cat")
    assert (file.metadata.preprocessing.mean, file.metadata.preprocessing.resize) == ((0.5,), "pad")
    assert file.metadata.temperature == 1.5
    assert file.metadata.assumed == ()
    assert file.checksum_stated


def test_what_add_is_not_told_stays_assumed(foreign: Path, tmp_path: Path) -> None:
    main(["add", str(foreign), "--name", "own", "--models", str(tmp_path), "--scale", "1"])
    assert model_file.read(tmp_path / "own" / "1" / "model.onnx").metadata.assumed == ("class_names",)


def test_a_second_add_is_the_next_version(foreign: Path, tmp_path: Path) -> None:
    for _ in range(2):
        assert main(["add", str(foreign), "--name", "own", "--models", str(tmp_path)]) == 0
    assert sorted(path.parent.name for path in tmp_path.glob("own/*/model.onnx")) == ["1", "2"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--name", "../own"], "name='../own' cannot be used"),
        (["--name", "own", "--labels", "none.txt"], "none.txt cannot be read"),
        (["--name", "own", "--mean", "1,2"], "mean has 2 values; rgb needs 1 or 3"),
        (
            ["--name", "own", "--color", "gray", "--mean", "0", "--std", "1"],
            "prepares channels 1 and the graph takes 3",
        ),
        (["--name", "own", "--height", "9"], "prepares height 9 and the graph takes 8"),
        (["--name", "own", "--std", "0"], "std must be above 0"),
    ],
)
def test_add_writes_nothing_where_something_is_wrong(
    foreign: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], sentence: str
) -> None:
    repository = tmp_path / "models"
    assert main(["add", str(foreign), "--models", str(repository), *options]) == 1
    assert sentence in capsys.readouterr().err
    assert list(repository.glob("**/*")) == []


def test_add_refuses_labels_that_do_not_fit(
    foreign: Path, labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels.write_text("ant\nbee\n")
    assert main(["add", str(foreign), "--name", "own", "--models", str(tmp_path), "--labels", str(labels)]) == 1
    assert "labels.txt has 2 names and the network 3 classes" in capsys.readouterr().err


def test_a_setting_that_cannot_be_used_is_one_line_that_names_it() -> None:
    command = [sys.executable, "-m", "service", "serve", "--port", "99999"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own module
    assert finished.returncode == 2
    assert finished.stderr.count("\n") == 1
    assert "FOVEA_PORT='99999' cannot be used" in finished.stderr
