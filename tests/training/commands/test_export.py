"""`export RUN`: what a stopped run has reached, and nothing where that is nothing."""

from itertools import islice
from pathlib import Path

import pytest

from tests.training.small_runs import session, unwatched
from training.__main__ import main
from training.datasets import load
from training.recipes import Recipe
from training.runs.session import write_checkpoint


def stopped(recipe: Recipe, folder: Path, events: int) -> str:
    """The folder of a run on all digits that stopped after so many events."""
    run = session(recipe, load("digits", None, (8, 8, 1)), out=folder / "models")
    unwatched(islice(run.events(), events))
    write_checkpoint(folder / "run", run)
    return str(folder / "run")


def test_before_the_end_of_the_first_epoch_there_is_nothing_to_export(
    short: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = stopped(short, tmp_path, events=3)
    assert main(["export", run]) == 2
    assert capsys.readouterr().err == (
        f"error: {run}/checkpoint.pt has no finished epoch yet, and so nothing trained; "
        f"go on with it: python -m training resume {run}\n"
    )
    assert not (tmp_path / "models").exists()


def test_a_run_goes_where_the_command_says_under_that_name(short: Recipe, tmp_path: Path) -> None:
    run = stopped(short, tmp_path, events=30)
    assert main(["export", run, "--name", "early", "--out", str(tmp_path / "others")]) == 0
    found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("model.onnx"))
    assert found == ["others/early/0/model.onnx", "others/early/1/model.onnx"]


@pytest.mark.parametrize("option", [["--recipe", "mnist"], ["--set", "epochs=3"]])
def test_what_a_run_has_decided_already_cannot_be_asked_again(
    option: list[str], short: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = stopped(short, tmp_path, events=30)
    assert main(["export", run, *option]) == 2
    assert "checkpoint.pt states its recipe and its settings; leave out --recipe and --set" in capsys.readouterr().err
