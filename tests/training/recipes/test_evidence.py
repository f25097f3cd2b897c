"""Evidence: figures with their spread, only for the recipe that was measured; the documents say the same."""

from dataclasses import replace
from pathlib import Path

import pytest

from training.commands.listing import markdown
from training.recipes import RECIPES
from training.recipes import evidence as kept
from training.recipes.digits import DIGITS
from training.recipes.evidence import Evidence, evidence_file, evidence_of, written

ROOT = Path(__file__).parents[3]


def evidence(**fields: object) -> Evidence:
    known = {
        "recipe": "digits",
        "settings": written(DIGITS),
        "dataset": "digits",
        "accuracies": (0.99, 0.97, 0.98),
        "seconds": (61.6, 60.0, 125.4),
        "hardware": "2 threads",
        "date": "2026-11-26",
        "commit": None,
        "command": "measure digits",
    }
    return Evidence.model_validate(known | fields)


def test_the_sentence_is_mean_and_standard_deviation_in_points() -> None:
    assert evidence().sentence == "98.00 % ± 1.00"
    assert evidence(accuracies=(0.9712,)).sentence == "97.12 %"
    both = evidence(test_time=(0.99, 0.99, 0.99)).sentence
    assert both == "98.00 % ± 1.00; 99.00 % ± 0.00 with test-time augmentation"


def test_the_time_is_the_median_of_the_seeds() -> None:
    assert evidence().time == "1 min 02 s"
    assert evidence(seconds=(3.4, 9.6, 9.4)).time == "9 s"


def test_a_recipe_that_has_changed_since_has_no_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "FOLDER", tmp_path)
    assert evidence_of(DIGITS) is None
    evidence_file("digits").write_text(evidence().model_dump_json())
    assert evidence_of(DIGITS) == evidence()
    assert evidence_of(replace(DIGITS, epochs=DIGITS.epochs + 1)) is None


@pytest.mark.parametrize("file", sorted(kept.FOLDER.glob("*.json")), ids=lambda file: file.stem)
def test_what_is_kept_is_of_a_recipe_as_it_stands(file: Path) -> None:
    found = Evidence.model_validate_json(file.read_text())
    assert found.recipe == file.stem
    assert found.settings == written(RECIPES[file.stem])
    assert len(found.accuracies) == len(found.seconds) >= 3


def test_the_document_shows_the_table_that_list_prints() -> None:
    assert "\n".join(markdown()) in (ROOT / "docs" / "networks.md").read_text()
