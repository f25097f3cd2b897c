"""What the data's options mean to every command that has them."""

import shutil
from itertools import islice
from pathlib import Path

import pytest

from tests.training.small_runs import session, unwatched
from training.__main__ import main
from training.datasets import load
from training.recipes import Recipe
from training.runs.session import write_checkpoint

SHIPPED = Path(__file__).parents[3] / "models"


@pytest.fixture
def place(short: Recipe, tmp_path: Path) -> Path:
    """`model.onnx` and `models` are the digits as they ship, `run` is one that stopped."""
    shutil.copytree(SHIPPED / "digits", tmp_path / "models" / "digits")
    shutil.copy(SHIPPED / "digits" / "1" / "model.onnx", tmp_path)
    run = session(short, load("digits", None, (8, 8, 1)), out=tmp_path / "out")
    unwatched(islice(run.events(), 30))
    write_checkpoint(tmp_path / "run", run)
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        ["train", "digits", "--out", "out", "--runs", "runs"],
        ["resume", "run"],
        ["export", "run"],
        ["evaluate", "model.onnx"],
        ["report", "model.onnx"],
        ["describe", "model.onnx"],
        ["quantize", "digits@1"],
        ["measure", "digits"],
        ["rate", "digits"],
    ],
    ids=lambda command: command[0],
)
def test_download_is_asked_of_every_command_that_takes_it(
    command: list[str], place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The digits come with a package: whoever heeds the option finds nothing to fetch."""
    monkeypatch.chdir(place)
    assert main([*command, "--download"]) == 2
    assert capsys.readouterr().err.startswith("error: data set 'digits' cannot be downloaded; these can: mnist, ")


@pytest.mark.parametrize("command", ["train", "rate", "probe", "measure"])
def test_a_size_for_images_that_have_one_of_their_own_is_refused(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([command, "digits", "--set", "image_side=16"]) == 2
    assert capsys.readouterr().err == (
        "error: setting 'image_side'=16 cannot be used; the images of digits have a size of their own: leave it out\n"
    )


@pytest.mark.parametrize(
    ("command", "remedy"),
    [
        (["train", "digits", "--out", "models"], "give --overwrite or another folder: --out"),
        (["measure", "digits", "--publish", "models"], "give another folder: --publish"),
        (["export", "run", "--out", "models"], "give another name or folder: --name, --out"),
        (["export", "weights.pt", "--recipe", "digits"], "give another name or folder: --name, --out"),
    ],
)
def test_what_helps_where_a_version_exists_is_what_the_command_takes(
    command: list[str], remedy: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    Path("weights.pt").touch()
    assert main(command) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: models/digits/")
    assert error.endswith(f"/model.onnx exists; {remedy}\n")


@pytest.mark.parametrize("name", ["two words", "../above", "-first", "x" * 65])
@pytest.mark.parametrize("command", [["train", "digits"], ["export", "model.onnx", "--recipe", "digits"]])
def test_a_name_that_the_service_would_not_serve_is_refused_at_once(
    command: list[str], name: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    assert main([*command, f"--name={name}"]) == 2
    error = capsys.readouterr().err
    assert " cannot name a model; give 1 to 64 of A-Z a-z 0-9 . _ -, the first a letter or a digit: --name" in error
