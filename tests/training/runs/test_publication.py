"""A session's two files: they say what they are, and there are none where anything is wrong."""

import json
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
import torch

from service.engine.model_file import read
from service.engine.model_metadata import graph_sha256
from service.engine.parted import Parted
from tests.training.small_runs import Run, planned, session, unwatched
from training.datasets import Dataset
from training.errors import DivergedError, ParityError
from training.files.model_files import described
from training.files.weights import load_weights
from training.graphs.export import Exported
from training.recipes import Recipe
from training.runs.publication import published
from training.runs.session import initial_network


def test_version_0_holds_the_very_weights_that_version_1_started_from(
    finished: Run, few_digits: Dataset, short: Recipe
) -> None:
    initial = initial_network(planned(short, 3), few_digits).state_dict()
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
    assert provenance.settings == ("epochs=2", "batch_size=50")


def test_the_file_says_how_its_training_went(finished: Run) -> None:
    history = finished.metadata[finished.trained].training_history
    assert history is not None
    assert [record.epoch for record in history.epochs] == [1, 2]
    assert history.epochs[1].loss < history.epochs[0].loss
    assert (history.training_images, history.validation_images) == (250, 50)
    assert history.recipe["batch_size"] == "50"
    assert "threads on" in history.hardware
    assert finished.metadata[finished.untrained].training_history is None


def test_the_same_run_gives_the_same_graph(finished: Run, few_digits: Dataset, short: Recipe, tmp_path: Path) -> None:
    again = session(short, few_digits, seed=3, out=tmp_path)
    unwatched(again.events())
    graphs = [
        [graph_sha256(Parted(onnx.load(path))) for path in paths] for paths in (published(again), finished.metadata)
    ]
    assert graphs[0] == graphs[1]


def test_no_field_of_the_file_holds_a_path(finished: Run) -> None:
    props = {prop.key: json.dumps(prop.value) for prop in onnx.load(finished.trained).metadata_props}
    assert not [key for key, value in props.items() if str(Path.cwd()) in value or str(Path.home()) in value]


def test_a_loss_that_is_no_number_leaves_nothing_behind(few_digits: Dataset, short: Recipe, tmp_path: Path) -> None:
    run = session(replace(short, max_learning_rate=1e8), few_digits, out=tmp_path)
    with pytest.raises(DivergedError):
        unwatched(run.events())
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_an_export_that_answers_differently_is_never_described(
    few_digits: Dataset, finished: Run, short: Recipe
) -> None:
    """`published` writes only what `described` returned for both versions."""
    other = initial_network(planned(short, 4), few_digits)
    metadata = finished.metadata[finished.untrained]
    foreign = Exported(onnx.load(finished.untrained), metadata.layers)
    with pytest.raises(ParityError, match="logits differs by"):
        described(other, foreign, few_digits, 1.0, metadata.provenance, None)
