"""The command line: what it writes, and the one line that each mistake gets."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from service.engine.model_file import read
from service.engine.model_metadata import graph_sha256
from service.engine.parted import Parted
from tests.training.small_runs import Run
from training.__main__ import main
from training.recipes import RECIPES
from training.recipes.evidence import evidence_of

ROOT = Path(__file__).parents[2]


def failed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line on stderr of a command that must end with exit code 2."""
    assert main(list(arguments)) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_training_writes_both_versions_and_says_how_good_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path), "--runs", str(tmp_path / "runs")]
    assert main(["train", "digits", *out, "--set", "epochs=1", "--seed", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("digits: digits_cnn on ")
    assert lines[1].startswith("epoch 1/1  loss ")
    for line, version in zip(lines[2:], (0, 1), strict=True):
        file = tmp_path / "digits" / str(version) / "model.onnx"
        assert line.startswith(f"{file}  ")
        assert "of 359 images right" in line
        assert file.is_file()


def test_list_names_every_recipe_with_its_evidence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for recipe in RECIPES.values():
        (line,) = [line for line in lines if line.split()[0] == recipe.name]
        found = evidence_of(recipe)
        assert (found.sentence if found else "not measured") in line


def test_evaluate_measures_a_shipped_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(ROOT / "models" / "digits" / "1" / "model.onnx")]) == 0
    assert "of 359 images right" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "nothing"], "no recipe named 'nothing'"),
        (["train", "mnist", "--data", "nowhere"], "nowhere lacks train-images-idx3-ubyte.gz, "),
        (["train", "digits", "--set", "depth=3"], "setting 'depth'='3' cannot be used; the settings are: "),
        (["train", "digits", "--set", "epochs=few"], "setting 'epochs'='few' cannot be used; "),
        (["train", "digits", "--set", "validation_every=900"], "no class has that many images"),
        (["train", "digits", "--set", "max_learning_rate=1e8"], "give a lower one: --set max_learning_rate=..."),
        (["quantize", "nothing", "--models", "nowhere"], "nowhere/nothing has no trained version; its versions: none"),
        (["evaluate", "nowhere.onnx"], "nowhere.onnx: the file cannot be read"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path), "--runs", str(tmp_path)] if arguments[0] == "train" else []
    assert sentence in failed(capsys, *arguments, *out)
    assert not list(tmp_path.iterdir())


def test_an_existing_version_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "digits" / "1" / "model.onnx"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"precious")
    assert f"{file} exists; give --overwrite" in failed(capsys, "train", "digits", "--out", str(tmp_path))
    assert file.read_bytes() == b"precious"


@pytest.mark.parametrize("seed", ["-1", "x", "1.5", str(2**32)])
def test_a_seed_that_is_no_whole_number_is_refused(seed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["train", "digits", f"--seed={seed}"])
    assert "is no whole number from 0 to 4294967295" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["mnist@"], "'mnist@' is no MODEL or MODEL@VERSION, as in mnist@1"),
        (["@1"], "'@1' is no MODEL or MODEL@VERSION"),
        (["mnist@new"], "'mnist@new' is no MODEL or MODEL@VERSION"),
        (["mnist", "--images", "0"], "'0' is no whole number above 0"),
        (["mnist", "--max-loss", "-1"], "'-1' is no number from 0 to 100"),
        (["mnist", "--max-loss", "nan"], "'nan' is no number from 0 to 100"),
        (["mnist", "--max-loss", "few"], "'few' is no number from 0 to 100"),
    ],
)
def test_what_quantize_cannot_read_is_refused(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["quantize", *arguments])
    assert sentence in capsys.readouterr().err


def test_quantize_says_where_it_wrote_and_what_was_lost(
    finished: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = tmp_path / "models"
    shutil.copytree(finished.trained.parents[2], models)
    assert main(["quantize", "digits@1", "--models", str(models), "--images", "40", "--max-loss", "100"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{models}/digits/2/model.onnx  int8  ")
    assert re.search(r"[\d.]+% of 359 images right, .*; [\d.]+% before$", line)


def run_of(out: Path, *settings: str) -> list[str]:
    command = [sys.executable, "-m", "training", "train", "digits", "--out", str(out / "models"), "--runs", str(out)]
    return [*command, *(f"--set={setting}" for setting in settings)]


def interrupted(command: list[str], after_epoch: int) -> str:
    """What a run says on stderr that gets a Ctrl-C after that epoch."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(  # noqa: S603 - our own command
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as training:
        assert training.stdout
        assert training.stderr
        while not training.stdout.readline().startswith(f"epoch {after_epoch}/"):
            assert training.poll() is None
        training.send_signal(signal.SIGINT)
        said = training.stderr.read()
    assert training.returncode == 130
    return said


def graph_of(folder: Path) -> str:
    return graph_sha256(Parted(onnx.load(folder / "models" / "digits" / "1" / "model.onnx")))


def test_ctrl_c_says_how_to_go_on_and_going_on_gives_the_same_graph(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    settings = ("epochs=6", "average_decay=0.9")
    subprocess.run(run_of(whole, *settings), cwd=ROOT, check=True, capture_output=True)  # noqa: S603 - our own command
    said = interrupted(run_of(parts, *settings), after_epoch=2)
    assert re.fullmatch(
        r"stopped in epoch \d after step \d+; nothing is lost; go on: python -m training (resume .*); .*\n", said
    )
    assert not (parts / "models").exists()
    command = said.partition("python -m training ")[2].partition(";")[0].split()
    subprocess.run([sys.executable, "-m", "training", *command], cwd=ROOT, check=True, capture_output=True)  # noqa: S603
    assert graph_of(parts) == graph_of(whole)
    assert not (parts / "digits-0").exists()


def test_a_stopped_run_can_be_exported_as_it_is_and_is_not_forgotten_by_accident(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupted(run_of(tmp_path, "epochs=10000"), after_epoch=2)
    again = ["train", "digits", "--out", str(tmp_path / "models"), "--runs", str(tmp_path)]
    assert "is of a run that was stopped; go on with it: python -m training resume" in failed(capsys, *again)
    assert main(["export", str(tmp_path / "digits-0")]) == 0
    assert "of 359 images right" in capsys.readouterr().out
    assert (tmp_path / "digits-0" / "checkpoint.pt").exists()


def test_tensorboard_logs_hold_the_figures(tmp_path: Path) -> None:
    out = ["--out", str(tmp_path / "models"), "--runs", str(tmp_path), "--tensorboard", str(tmp_path / "logs")]
    assert main(["train", "digits", "--set", "epochs=2", *out]) == 0
    logs = EventAccumulator(str(tmp_path / "logs"))
    logs.Reload()
    history = read(tmp_path / "models" / "digits" / "1" / "model.onnx").metadata.training_history
    assert history is not None
    logged = [event.value for event in logs.Scalars("validation_accuracy")]
    assert logged == pytest.approx([record.validation_accuracy for record in history.epochs])
