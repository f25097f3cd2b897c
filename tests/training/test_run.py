"""One run: two files that say what they are, and none where anything is wrong."""

import json
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
import torch

from service.engine.model_file import read
from tests.training.small_runs import Run, unwatched
from training.datasets import Dataset
from training.errors import DivergedError, ParityError, VersionExistsError
from training.export import Exported
from training.publishing import version_path
from training.recipes import Recipe
from training.run import described, initial_network, run
from training.weights import load_weights


def files_under(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_version_0_holds_the_very_weights_that_version_1_started_from(
    finished: Run, few_digits: Dataset, short: Recipe
) -> None:
    initial = initial_network(short, few_digits, seed=3).state_dict()
    untrained, trained = load_weights(finished.untrained), load_weights(finished.trained)
    assert all(torch.equal(untrained[name], initial[name]) for name in untrained)
    assert not torch.equal(untrained["conv1.weight"], trained["conv1.weight"])


def test_both_versions_have_the_same_layers_and_their_own_metrics(finished: Run) -> None:
    untrained, trained = (finished.metadata[path] for path in (finished.untrained, finished.trained))
    assert untrained.layers == trained.layers
    assert (untrained.provenance.stage, trained.provenance.stage) == ("untrained", "trained")
    assert untrained.metrics
    assert trained.metrics
    assert untrained.metrics.accuracy < trained.metrics.accuracy
    assert untrained.temperature == 1


def test_the_service_reads_the_file_and_finds_what_the_run_said(finished: Run) -> None:
    checked = read(finished.trained)
    assert checked.checksum_stated
    assert checked.metadata == finished.metadata[finished.trained]
    assert checked.metadata.class_names == tuple("0123456789")
    assert checked.metadata.metrics
    assert checked.metadata.metrics.images == 100


def test_the_file_names_its_recipe_seed_versions_and_changed_settings(finished: Run) -> None:
    provenance = finished.metadata[finished.trained].provenance
    assert (provenance.recipe, provenance.seed) == ("digits", 3)
    assert provenance.versions["torch"] == torch.__version__
    assert provenance.note == "epochs=2, batch_size=50"


def test_the_same_run_gives_the_same_bytes(finished: Run, few_digits: Dataset, short: Recipe, tmp_path: Path) -> None:
    again = run(short, few_digits, seed=3, out=tmp_path, overwrite=False, follow=unwatched)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in finished.metadata]


def test_no_field_of_the_file_holds_a_path(finished: Run) -> None:
    props = {prop.key: json.dumps(prop.value) for prop in onnx.load(finished.trained).metadata_props}
    assert not [key for key, value in props.items() if str(Path.cwd()) in value or str(Path.home()) in value]


def test_an_existing_version_is_refused_before_training(
    finished: Run, few_digits: Dataset, short: Recipe, tmp_path: Path
) -> None:
    path = version_path(tmp_path, "digits", 0)
    path.parent.mkdir(parents=True)
    path.write_bytes(finished.untrained.read_bytes())
    with pytest.raises(VersionExistsError):
        run(short, few_digits, seed=0, out=tmp_path, overwrite=False, follow=lambda _: pytest.fail("it trained"))


def test_a_loss_that_is_no_number_leaves_nothing_behind(few_digits: Dataset, short: Recipe, tmp_path: Path) -> None:
    recipe = replace(short, max_learning_rate=1e8)
    with pytest.raises(DivergedError):
        run(recipe, few_digits, seed=0, out=tmp_path, overwrite=False, follow=unwatched)
    assert not files_under(tmp_path)


def test_an_export_that_answers_differently_is_never_described(
    few_digits: Dataset, finished: Run, short: Recipe
) -> None:
    """`run` publishes only what `described` returned for both versions."""
    other = initial_network(short, few_digits, seed=4)
    metadata = finished.metadata[finished.untrained]
    foreign = Exported(onnx.load(finished.untrained), metadata.layers)
    with pytest.raises(ParityError, match="logits differs by"):
        described(other, foreign, few_digits, 1.0, metadata.provenance)
