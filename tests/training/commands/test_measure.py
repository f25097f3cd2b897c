"""`measure`: several seeds, their figures kept beside the recipe, the first one's model published."""

from pathlib import Path

import pytest

from service.engine.model_file import read
from training.__main__ import main
from training.recipes import evidence
from training.recipes.evidence import Evidence

SHORT = ("--set", "epochs=1", "--set", "test_time=shift")


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(evidence, "FOLDER", tmp_path / "measured")
    arguments = ["--seeds", "2", "--write", "--publish", str(tmp_path / "models")]
    assert main(["measure", "digits", *SHORT, *arguments]) == 0
    return tmp_path


def test_every_seed_has_its_figures_and_the_file_those_of_the_first(measured: Path) -> None:
    found = Evidence.model_validate_json((measured / "measured" / "digits.json").read_text())
    assert len(found.accuracies) == len(found.test_time) == len(found.seconds) == 2
    assert found.command == "python -m training measure digits --set epochs=1 --set test_time=shift --seeds 2"
    assert found.settings["epochs"] == "1"
    published = read(measured / "models" / "digits" / "1" / "model.onnx").metadata
    assert published.metrics is not None
    assert published.metrics.accuracy == pytest.approx(found.accuracies[0])
    assert published.provenance.seed == 0


def test_a_version_that_exists_is_refused_before_anything_is_trained(
    measured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["measure", "digits", *SHORT, "--seeds", "1", "--publish", str(measured / "models")]) == 2
    told = capsys.readouterr()
    assert "exists" in told.err
    assert told.out == ""


def test_a_network_that_learnt_before_is_where_every_seed_begins(
    measured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backbone = str(measured / "models" / "digits" / "1" / "model.onnx")
    assert main(["measure", "digits", *SHORT, "--seeds", "1", "--from", backbone]) == 0
    on_from_there = float(capsys.readouterr().out.partition("seed 0: ")[2].partition("%")[0])
    first = Evidence.model_validate_json((measured / "measured" / "digits.json").read_text()).accuracies[0]
    assert on_from_there > 100 * first


def test_a_measurement_that_was_stopped_goes_on_with_the_seeds_that_are_left(
    measured: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = measured / "measured" / "digits.json"
    found = Evidence.model_validate_json(file.read_text())
    monkeypatch.setattr(evidence, "written", lambda _: found.settings)  # as if the recipe itself were so short
    capsys.readouterr()
    assert main(["measure", "digits", *SHORT, "--seeds", "3", "--write"]) == 0
    assert "seed 0" not in (told := capsys.readouterr().out)
    assert "seed 2" in told
    assert Evidence.model_validate_json(file.read_text()).accuracies[:2] == found.accuracies


def test_what_another_network_had_learnt_is_no_evidence_of_a_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["measure", "digits", "--from", "other.onnx", "--write"])
    assert "--write: not allowed with argument --from" in capsys.readouterr().err
