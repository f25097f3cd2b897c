import csv
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from service.engine import model_file
from service.engine.model_metadata import ManifestLayer, Metrics, Provenance, graph_sha256, with_metadata
from service.engine.parted import Parted
from service.errors import (
    ChecksumMismatchError,
    CorruptModelError,
    ExternalDataError,
    InvalidMetadataError,
    ModelContractError,
    ModelFileError,
)
from tests import tiny_models

HOSTILE = Path(os.environ.get("FOVEA_DATA", "../shared/data")) / "hostile-models"


def refusal(path: Path) -> ModelFileError | None:
    try:
        model_file.read(path)
    except ModelFileError as error:
        return error
    return None


def described(**changes: object) -> bytes:
    model = tiny_models.classifier(classes=4)
    metadata = model_file.from_bytes(model.SerializeToString()).metadata
    metadata = metadata.model_copy(update={"class_names": ("a", "b", "c", "d"), "assumed": ()} | changes)
    return with_metadata(model, metadata).SerializeToString()


def test_an_input_that_no_node_reads_is_left_out_and_one_that_a_branch_reads_is_not() -> None:
    model = tiny_models.classifier()
    model.graph.input.append(helper.make_tensor_value_info("left over", tiny_models.FLOAT, [1]))
    assert [value.name for value in model_file.from_bytes(model.SerializeToString()).model.graph.input] == ["image"]
    branch = helper.make_graph(
        [helper.make_node("Identity", ["left over"], ["same"])], "then", [], [model.graph.output[0]]
    )
    branch.output[0].name = "same"
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    model.graph.node.append(helper.make_node("If", ["yes"], ["chosen"], then_branch=branch, else_branch=branch))
    with pytest.raises(ModelContractError, match="left over"):
        model_file.from_bytes(model.SerializeToString())


def test_what_is_written_into_a_file_is_read_from_it() -> None:
    stated = {
        "layers": (ManifestLayer(id="conv1", kind="conv", tensor="conv"),),
        "metrics": Metrics(dataset="made up", images=10, accuracy=0.5),
        "temperature": 1.5,
        "provenance": Provenance(stage="trained", recipe="none", seed=3),
    }
    file = model_file.from_bytes(described(**stated))
    assert {name: getattr(file.metadata, name) for name in stated} == stated
    assert file.metadata.class_names == ("a", "b", "c", "d")
    assert file.checksum_stated


def test_a_foreign_file_says_that_names_and_preprocessing_are_assumed() -> None:
    file = model_file.from_bytes(tiny_models.classifier(classes=2, side=8).SerializeToString())
    assert file.metadata.assumed == ("class_names", "preprocessing")
    assert file.metadata.class_names == ("class_0", "class_1")
    assert file.metadata.preprocessing.mean == (0.485, 0.456, 0.406)
    assert not file.checksum_stated


def test_a_network_that_takes_any_size_is_given_a_conventional_one() -> None:
    colour = model_file.from_bytes(tiny_models.classifier(channels=3, side="s").SerializeToString())
    grey = model_file.from_bytes(tiny_models.classifier(channels=1, side="s").SerializeToString())
    assert (colour.metadata.preprocessing.height, grey.metadata.preprocessing.height) == (224, 28)


def test_a_changed_weight_is_noticed() -> None:
    data = bytearray(described())
    weight = tiny_models.classifier(classes=4).graph.initializer[0].raw_data
    data[bytes(data).index(weight)] ^= 1
    with pytest.raises(ChecksumMismatchError, match="states sha256"):
        model_file.from_bytes(bytes(data))


def test_the_checksum_does_not_depend_on_the_metadata() -> None:
    model = tiny_models.classifier()
    before = graph_sha256(Parted(model))
    model.metadata_props.add(key="author", value="somebody")
    assert graph_sha256(Parted(model)) == before


def test_other_metadata_of_a_file_survives_ours() -> None:
    model = tiny_models.classifier()
    model.metadata_props.add(key="author", value="somebody")
    file = model_file.from_bytes(model.SerializeToString())
    props = {prop.key: prop.value for prop in with_metadata(file.model, file.metadata).metadata_props}
    assert props["author"] == "somebody"
    assert props["fovea.format"] == "1"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"class_names": ("a", "b")}, "2 class names for 4 classes"),
        ({"temperature": 0}, "fovea.temperature"),
        ({"layers": (ManifestLayer(id="x", kind="conv", tensor="conv"),) * 2}, "layer ids must be unique"),
    ],
)
def test_metadata_that_contradicts_the_graph_is_refused(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(InvalidMetadataError, match=sentence):
        model_file.from_bytes(described(**changes))


def test_metadata_for_another_size_than_the_graphs_is_refused() -> None:
    data = described()
    model = onnx.load_model_from_string(data)
    for prop in model.metadata_props:
        prop.value = prop.value.replace('"height": 8', '"height": 9')
    with pytest.raises(InvalidMetadataError, match="prepares height 9 and the graph takes 8"):
        model_file.from_bytes(model.SerializeToString())


def test_metadata_that_is_no_json_is_refused() -> None:
    model = tiny_models.classifier()
    model.metadata_props.add(key="fovea.format", value="1")
    model.metadata_props.add(key="fovea.class_names", value="[")
    with pytest.raises(InvalidMetadataError, match="is not JSON"):
        model_file.from_bytes(model.SerializeToString())


@pytest.mark.parametrize("data", [b"", b"\x00" * 64, b"<html></html>", b"\x89PNG\r\n\x1a\n"])
def test_bytes_that_are_no_model_are_corrupt(data: bytes) -> None:
    with pytest.raises(CorruptModelError):
        model_file.from_bytes(data)


def test_a_file_cut_short_is_corrupt() -> None:
    with pytest.raises(CorruptModelError):
        model_file.from_bytes(described()[:-20])


def test_weights_outside_the_file_are_refused_by_name() -> None:
    model = tiny_models.classifier()
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = weight.EXTERNAL
    weight.external_data.add(key="location", value="../secret")
    with pytest.raises(ExternalDataError, match=r"conv\.weight"):
        model_file.from_bytes(model.SerializeToString())


def test_a_missing_file_is_named_as_unreadable(tmp_path: Path) -> None:
    with pytest.raises(CorruptModelError, match="No such file"):
        model_file.read(tmp_path / "none.onnx")


@pytest.mark.skipif(not HOSTILE.is_dir(), reason="needs hostile-models in FOVEA_DATA")
def test_every_hostile_file_is_read_or_refused_with_a_reason() -> None:
    with (HOSTILE / "manifest.csv").open() as rows:
        names = [row["file"] for row in csv.DictReader(rows)]
    refusals = [error for name in names if (error := refusal(HOSTILE / name)) is not None]
    assert all(error.remedy for error in refusals)
    assert len(refusals) >= len(names) * 3 // 4


def with_a_large_weight() -> onnx.ModelProto:
    model = tiny_models.classifier()
    model.graph.initializer.append(numpy_helper.from_array(np.ones((600, 500), np.float32), "large"))
    return model


def test_the_graph_has_no_values_of_large_weights_and_the_model_has() -> None:
    model = with_a_large_weight()
    stated = with_metadata(model, model_file.from_bytes(model.SerializeToString()).metadata)
    file = model_file.from_bytes(stated.SerializeToString())
    assert file.checksum_stated
    assert [len(weight.raw_data) for weight in file.graph.initializer if weight.name == "large"] == [0]
    assert file.model == stated


def test_a_large_weight_of_which_one_value_changed_is_another_model() -> None:
    model = with_a_large_weight()
    data = with_metadata(model, model_file.from_bytes(model.SerializeToString()).metadata).SerializeToString()
    values = model.graph.initializer[-1].raw_data
    changed = values[:-4] + np.float32(2).tobytes()
    with pytest.raises(ChecksumMismatchError):
        model_file.from_bytes(data.replace(values, changed))
