"""`measure`: several seeds, their figures kept beside the recipe, the first one's model published."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from service.engine.model_file import read
from training.__main__ import main
from training.files.provenance import commit
from training.recipes import RECIPES, evidence
from training.recipes.digits import DIGITS
from training.recipes.evidence import Evidence

ROOT = Path(__file__).parents[3]


QUICK = replace(DIGITS, epochs=1, test_time="shift")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of a recipe `digits` that takes one epoch, kept and published."""
    folder = tmp_path_factory.mktemp("original")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence, "FOLDER", folder / "measured")
        patch.setitem(RECIPES, "digits", QUICK)
        arguments = ["--seeds", "2", "--write", "--publish", str(folder / "models")]
        assert main(["measure", "digits", *arguments]) == 0
    return folder


@pytest.fixture
def measured(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, which every command of the test then finds."""
    monkeypatch.setattr(evidence, "FOLDER", tmp_path / "measured")
    monkeypatch.setitem(RECIPES, "digits", QUICK)
    return shutil.copytree(original, tmp_path, dirs_exist_ok=True)


def kept(folder: Path) -> Evidence:
    return Evidence.model_validate_json((folder / "measured" / "digits.json").read_text())


def restated(folder: Path, **fields: str) -> Evidence:
    """The evidence as if it had been measured otherwise."""
    changed = kept(folder).model_copy(update=fields)
    (folder / "measured" / "digits.json").write_text(changed.model_dump_json())
    return changed


def test_every_seed_has_its_figures_and_the_file_those_of_the_first(measured: Path) -> None:
    found = kept(measured)
    assert len(found.accuracies) == len(found.test_time) == len(found.seconds) == 2
    assert found.command == "python -m training measure digits --seeds 2"
    assert found.settings["epochs"] == "1"
    assert found.earlier_commits == ()
    published = read(measured / "models" / "digits" / "1" / "model.onnx").metadata
    assert published.metrics is not None
    assert published.metrics.accuracy == pytest.approx(found.accuracies[0])
    assert published.provenance.seed == 0


def test_a_version_that_exists_is_refused_before_anything_is_trained(
    measured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["measure", "digits", "--seeds", "1", "--publish", str(measured / "models")]) == 2
    told = capsys.readouterr()
    assert "exists" in told.err
    assert told.out == ""


def test_a_network_that_learnt_before_is_where_every_seed_begins(
    measured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backbone = str(measured / "models" / "digits" / "1" / "model.onnx")
    assert main(["measure", "digits", "--seeds", "1", "--from", backbone]) == 0
    on_from_there = float(capsys.readouterr().out.partition("seed 0: ")[2].partition("%")[0])
    assert on_from_there > 100 * kept(measured).accuracies[0]


def test_a_measurement_that_was_stopped_goes_on_with_the_seeds_that_are_left(
    measured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = restated(measured, commit="a" * 40)
    capsys.readouterr()
    assert main(["measure", "digits", "--seeds", "3", "--write"]) == 0
    assert "seed 0" not in (told := capsys.readouterr().out)
    assert "seed 2" in told
    assert kept(measured).accuracies[:2] == before.accuracies
    assert (kept(measured).earlier_commits, kept(measured).commit) == (("a" * 40,), commit())


def test_seeds_on_other_data_are_not_gone_on_with(measured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    restated(measured, dataset="digits from elsewhere")
    capsys.readouterr()
    assert main(["measure", "digits", "--seeds", "3", "--write"]) == 0
    assert "seed 0" in capsys.readouterr().out
    assert kept(measured).dataset == "UCI digits, held-out stratified 20 %"


def test_figures_take_the_place_of_the_old_ones_as_a_whole(measured: Path) -> None:
    old = measured / "old.json"
    os.link(measured / "measured" / "digits.json", old)
    before = old.read_text()
    assert main(["measure", "digits", "--seeds", "1", "--write"]) == 0
    assert len(kept(measured).accuracies) == 1
    assert old.read_text() == before


def test_what_was_set_otherwise_is_no_evidence_of_a_recipe(measured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = kept(measured)
    assert main(["measure", "digits", "--set", "epochs=2", "--write"]) == 2
    assert capsys.readouterr().err == (
        "error: setting 'epochs'='2' cannot be used; "
        "--write keeps the figures of a recipe as it stands: leave out --write or --set\n"
    )
    assert kept(measured) == before


def test_of_several_processes_the_first_alone_tells_and_writes(tmp_path: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    asked = ["--set", "epochs=1", "--seeds", "1", "--device", "cpu", "--publish", str(tmp_path)]
    command = [*torchrun, "-m", "training", "measure", "digits", *asked]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    assert done.returncode == 0, done.stderr
    begun = [line.partition(" ")[0] for line in done.stdout.splitlines()]
    published = [f"{tmp_path}/digits/{version}/model.onnx" for version in (0, 1)]
    assert begun == ["epoch", "seed", *published, "digits:"]


def test_what_another_network_had_learnt_is_no_evidence_of_a_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["measure", "digits", "--from", "other.onnx", "--write"])
    assert "--write: not allowed with argument --from" in capsys.readouterr().err
