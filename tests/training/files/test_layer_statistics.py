"""The training report: numpy's own figures of what the file's layers hold, small, and never of another graph."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from service.engine.layer_report import LayerReport, TrainingReport
from service.engine.model_file import read
from service.engine.model_metadata import Provenance, graph_sha256, with_metadata
from service.inspection.live.running_statistics import activations
from tests.training.small_runs import Run
from training.datasets import Dataset
from training.errors import UnusableFileError
from training.files import layer_statistics
from training.files.describing import describe
from training.files.layer_statistics import layer_report, spread
from training.graphs.runtime import onnx_tensors


def report_of(file: Path) -> TrainingReport:
    report = read(file).metadata.layer_statistics
    assert report is not None
    return report


def channel_means(values: np.ndarray) -> np.ndarray:
    return np.asarray(values.reshape(*values.shape[:2], -1).mean(axis=2))


def test_every_exported_version_carries_the_report_of_its_own_layers(finished: Run, few_digits: Dataset) -> None:
    images = spread(few_digits.training.images, layer_statistics.IMAGES)
    for file in (finished.untrained, finished.trained):
        report, model = report_of(file), onnx.load(file)
        assert (report.images, report.dataset) == (len(images), "training images of recipe digits")
        tensors = {layer.id: layer.tensor for layer in read(file).metadata.layers}
        assert [layer.id for layer in report.layers] == [layer for layer in tensors if layer != "flatten"]
        values = onnx_tensors(model, list(tensors.values()), images)
        for layer in report.layers:
            _is_of(layer, values[tensors[layer.id]].double().numpy())


def _is_of(layer: LayerReport, values: np.ndarray) -> None:
    assert layer.min == pytest.approx(values.min(), abs=1e-4)
    assert layer.max == pytest.approx(values.max(), abs=1e-4)
    assert layer.mean == pytest.approx(values.mean(), abs=1e-4)
    assert layer.std == pytest.approx(values.std(), rel=1e-4)
    assert layer.zeros == pytest.approx((values == 0).mean(), abs=1e-4)
    means = channel_means(values)
    assert layer.dead_channels == tuple(np.flatnonzero((values == 0).all(axis=(0, *range(2, values.ndim)))))
    assert np.allclose(layer.channel_stds, means.std(axis=0), rtol=0.011, atol=1e-6)
    assert (np.abs(layer.channel_means - means.mean(axis=0)) <= 0.011 * means.std(axis=0) + 1e-6).all()


def test_the_bins_hold_a_tenth_of_the_standardised_means_each(finished: Run) -> None:
    conv = next(layer for layer in report_of(finished.trained).layers if layer.id == "conv1")
    varied = sum(std > 0 for std in conv.channel_stds)
    assert len(conv.edges) == 9
    assert sum(conv.counts) == varied * layer_statistics.IMAGES
    tenth = varied * layer_statistics.IMAGES / 10
    assert all(abs(count - tenth) <= varied for count in conv.counts)  # edges are rounded


def test_means_that_are_mostly_equal_share_a_bin() -> None:
    values = np.zeros((100, 1, 2, 2))
    values[:5] = 1
    report = layer_report("conv", [activations(image[None]) for image in values])
    assert len(report.edges) == 1
    assert report.counts == (95, 5)


def test_a_layer_that_never_varies_has_one_empty_bin() -> None:
    report = layer_report("conv", [activations(np.full((1, 2, 3, 3), 4.0))] * 5)
    assert (report.edges, report.counts, report.channel_stds) == ((), (0,), (0, 0))


def test_the_report_is_of_images_from_the_whole_set_always_the_same() -> None:
    images = torch.arange(200, dtype=torch.uint8).reshape(200, 1, 1, 1)
    assert spread(images, 5).flatten().tolist() == [0, 50, 100, 149, 199]
    assert torch.equal(spread(images, 200), images)
    assert torch.equal(spread(images, 1000), images)


def test_describing_a_file_gives_it_the_report_and_leaves_everything_else(finished: Run, tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    source = read(finished.trained)
    bare = source.metadata.model_copy(update={"layer_statistics": None})
    file.write_bytes(with_metadata(source.model, bare).SerializeToString())
    metadata = describe(file, None)
    found = read(file)
    assert found.metadata == metadata
    assert found.metadata.model_copy(update={"layer_statistics": None}) == bare
    assert graph_sha256(found.parted) == graph_sha256(source.parted)
    assert report_of(file).images == layer_statistics.IMAGES


def test_a_file_from_elsewhere_is_not_described_and_stays(finished: Run, tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    source = read(finished.trained)
    foreign = source.metadata.model_copy(update={"provenance": Provenance(stage="foreign")})
    file.write_bytes(with_metadata(source.model, foreign).SerializeToString())
    before = file.read_bytes()
    with pytest.raises(UnusableFileError, match="it names no recipe"):
        describe(file, None)
    assert file.read_bytes() == before


def test_a_channel_costs_the_file_a_few_bytes(finished: Run) -> None:
    report = report_of(finished.trained)
    written = len(json.dumps(report.model_dump(mode="json")))
    channels = sum(len(layer.channel_means) for layer in report.layers)
    assert written < 24 * channels + 600 * len(report.layers)
