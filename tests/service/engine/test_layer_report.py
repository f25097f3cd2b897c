"""The training report as a part of the model file: optional, read as it was written, refused where it cannot be."""

from typing import Any

import pytest

from service.engine import model_file
from service.engine.layer_report import LayerReport, TrainingReport
from service.engine.model_metadata import with_metadata
from service.errors import InvalidMetadataError
from tests import tiny_models

LAYER: dict[str, Any] = {
    "id": "conv",
    "mean": 0.5,
    "std": 1.5,
    "min": -3.0,
    "max": 4.0,
    "zeros": 0.25,
    "dead_channels": (1,),
    "channel_means": (0.5, 0.0),
    "channel_stds": (0.1, 0.0),
    "edges": (-1.0, 0.5),
    "counts": (3, 4, 3),
}


def file_with(layer_statistics: object) -> bytes:
    model = tiny_models.classifier()
    metadata = model_file.from_bytes(model.SerializeToString()).metadata
    return with_metadata(model, metadata.model_copy(update={"layer_statistics": layer_statistics})).SerializeToString()


def test_it_is_read_as_it_was_written_and_a_layer_is_found_by_its_id() -> None:
    report = TrainingReport(dataset="some images", images=10, layers=(LayerReport(**LAYER),))
    found = model_file.from_bytes(file_with(report)).metadata.layer_statistics
    assert found == report
    assert found.layer("conv") == LayerReport(**LAYER)
    assert found.layer("dense") is None


def test_a_file_may_have_none_and_an_older_file_has_no_such_field() -> None:
    assert model_file.from_bytes(file_with(None)).metadata.layer_statistics is None
    model = model_file.from_bytes(file_with(None)).model
    kept = [prop for prop in model.metadata_props if prop.key != "fovea.layer_statistics"]
    assert len(kept) == len(model.metadata_props) - 1
    del model.metadata_props[:]
    for prop in kept:
        model.metadata_props.add(key=prop.key, value=prop.value)
    assert model_file.from_bytes(model.SerializeToString()).metadata.layer_statistics is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"std": -1.0},
        {"zeros": 1.5},
        {"mean": float("nan")},
        {"channel_stds": (0.1,)},
        {"channel_stds": (0.1, -0.1)},
        {"dead_channels": (2,)},
        {"dead_channels": (-1,)},
        {"edges": (0.5, 0.5)},
        {"edges": (0.5,)},
        {"counts": (3, -4, 3)},
        {"counts": ()},
        {"id": ""},
    ],
    ids=str,
)
def test_figures_that_cannot_be_are_refused_with_the_field(wrong: dict[str, Any]) -> None:
    report = TrainingReport(dataset="some", images=10, layers=()).model_copy(
        update={"layers": (LayerReport.model_construct(**{**LAYER, **wrong}),)}
    )
    with pytest.raises(InvalidMetadataError, match=r"fovea\.layer_statistics\.layers\.0"):
        model_file.from_bytes(file_with(report))
