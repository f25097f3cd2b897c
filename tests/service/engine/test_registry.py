from collections.abc import Iterable, Sequence
from pathlib import Path

import onnx
import pytest

from service.engine import model_file
from service.engine.devices import chosen_device
from service.engine.model_metadata import Provenance, with_metadata
from service.engine.registry import Registry
from service.errors import ModelUnavailableError, UnknownModelError, UnknownVersionError
from tests import tiny_models

CPU = chosen_device("cpu", 1)


def put(folder: Path, name: str, version: int, stage: str = "trained") -> None:
    model = tiny_models.classifier(seed=version)
    metadata = model_file.from_bytes(model.SerializeToString()).metadata
    metadata = metadata.model_copy(update={"provenance": Provenance.model_validate({"stage": stage})})
    write(folder, name, version, with_metadata(model, metadata))


def write(folder: Path, name: str, version: int, model: onnx.ModelProto) -> None:
    path = folder / name / str(version) / "model.onnx"
    path.parent.mkdir(parents=True)
    path.write_bytes(model.SerializeToString())


def registry_of(folder: Path) -> Registry:
    registry = Registry()
    registry.load(folder, CPU, _all_accepted)
    return registry


def _all_accepted(paths: Sequence[Path]) -> Iterable[tuple[Path, str | None]]:
    return ((path, None) for path in paths)


def test_the_highest_trained_version_of_full_precision_answers_by_default(tmp_path: Path) -> None:
    for version, stage in ((0, "untrained"), (1, "trained"), (2, "trained"), (3, "quantized")):
        put(tmp_path, "tiny", version, stage)
    assert registry_of(tmp_path).classifier("tiny").version == 2


def test_an_untrained_version_answers_where_it_is_the_only_one(tmp_path: Path) -> None:
    put(tmp_path, "tiny", 0, "untrained")
    assert registry_of(tmp_path).classifier("tiny").version == 0


def test_a_named_version_answers(tmp_path: Path) -> None:
    put(tmp_path, "tiny", 0, "untrained")
    put(tmp_path, "tiny", 1)
    assert registry_of(tmp_path).classifier("tiny", "0").version == 0


def test_a_bad_version_never_takes_the_good_one_down_and_says_why(tmp_path: Path) -> None:
    put(tmp_path, "tiny", 1)
    (tmp_path / "tiny" / "2").mkdir()
    (tmp_path / "tiny" / "2" / "model.onnx").write_bytes(b"not a model")
    registry = registry_of(tmp_path)
    assert registry.classifier("tiny").version == 1
    with pytest.raises(ModelUnavailableError, match="model_corrupt"):
        registry.classifier("tiny", "2")


def test_unknown_names_and_versions_name_what_there_is(tmp_path: Path) -> None:
    put(tmp_path, "tiny", 1)
    registry = registry_of(tmp_path)
    with pytest.raises(UnknownModelError, match="loaded models: tiny"):
        registry.classifier("tyni")
    with pytest.raises(UnknownVersionError, match="its versions: 1"):
        registry.classifier("tiny", "01")


def test_a_file_that_the_trial_refused_is_never_loaded(tmp_path: Path) -> None:
    put(tmp_path, "tiny", 1)
    registry = Registry()
    registry.load(tmp_path, CPU, lambda paths: ((path, "it crashed") for path in paths))
    with pytest.raises(ModelUnavailableError, match="it crashed"):
        registry.classifier("tiny")
