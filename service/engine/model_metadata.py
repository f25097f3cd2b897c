"""What a model file says of itself, as `metadata_props` under keys beginning `fovea.`.

Pure: builds and reads `ModelMetadata`, never opens a file. Training writes it, the service reads it.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Literal

import onnx
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from service.engine.layer_report import TrainingReport
from service.engine.parted import Parted
from service.engine.serialization import pieces
from service.engine.training_history import TrainingHistory
from service.errors import InvalidMetadataError
from service.images.preprocessing import Preprocessing

PREFIX = "fovea."
FORMAT = 1


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ManifestLayer(_Frozen):
    """One layer by its stable id (the PyTorch module path) and the tensor that holds its output."""

    id: str = Field(min_length=1, max_length=200)
    kind: str = Field(min_length=1, max_length=64)
    tensor: str = Field(min_length=1)


class Metrics(_Frozen):
    """How well the file answers, and on what that was measured. Shares in 0..1."""

    dataset: str
    images: int = Field(gt=0)
    accuracy: float = Field(ge=0, le=1)
    loss: float | None = None


class Provenance(_Frozen):
    """Where the file comes from. `stage` says whether the weights are trained, initial or of reduced precision."""

    stage: Literal["trained", "untrained", "quantized", "foreign"]
    recipe: str | None = None
    seed: int | None = None
    commit: str | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    settings: tuple[str, ...] = ()  # key=value, where they differ from the recipe of that name
    note: str | None = None


class ModelMetadata(_Frozen):
    """Everything the service needs besides the graph. `assumed` names the fields nobody stated."""

    class_names: tuple[str, ...]
    preprocessing: Preprocessing
    layers: tuple[ManifestLayer, ...] = ()
    metrics: Metrics | None = None
    layer_statistics: TrainingReport | None = None
    training_history: TrainingHistory | None = None
    temperature: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    provenance: Provenance = Provenance(stage="foreign")
    assumed: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _unique_layers(self) -> "ModelMetadata":
        ids = [layer.id for layer in self.layers]
        if len(set(ids)) != len(ids):
            raise ValueError("layer ids must be unique")
        return self


def with_metadata(model: onnx.ModelProto, metadata: ModelMetadata) -> onnx.ModelProto:
    """A copy of `model` that carries `metadata` and the checksum of its graph; other metadata_props stay."""
    stated = metadata.model_dump(mode="json")
    props = {PREFIX + key: json.dumps(value, ensure_ascii=False) for key, value in stated.items()}
    props |= {PREFIX + "format": str(FORMAT), PREFIX + "sha256": graph_sha256(Parted(model))}
    described = onnx.ModelProto()
    described.CopyFrom(model)
    del described.metadata_props[:]
    for key, value in (_foreign_props(model) | props).items():
        described.metadata_props.add(key=key, value=value)
    return described


def stated_metadata(model: onnx.ModelProto) -> dict[str, object] | None:
    """The `fovea.` fields of a file as JSON values, or None where it has none (then it comes from elsewhere)."""
    props = {p.key.removeprefix(PREFIX): p.value for p in model.metadata_props if p.key.startswith(PREFIX)}
    if not props:
        return None
    if props.pop("format", None) != str(FORMAT):
        raise InvalidMetadataError("fovea.format is not 1", "export the file again with this version")
    props.pop("sha256", None)
    try:
        return {key: json.loads(value) for key, value in props.items()}
    except (ValueError, RecursionError) as error:  # also numbers of thousands of digits, lists in lists without end
        raise InvalidMetadataError(f"a fovea. field is not JSON: {error}", "export the file again") from error


def validated(fields: Mapping[str, object]) -> ModelMetadata:
    """The fields as `ModelMetadata`; raises InvalidMetadataError naming the first field that does not fit."""
    try:
        return ModelMetadata.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "metadata"
        reason = first["msg"].removeprefix("Value error, ")
        raise InvalidMetadataError(f"fovea.{where}: {reason}", "export or add the file again") from error


def stated_sha256(model: onnx.ModelProto) -> str | None:
    """The checksum that the file itself states, or None."""
    return next((p.value for p in model.metadata_props if p.key == PREFIX + "sha256"), None)


def graph_sha256(model: Parted) -> str:
    """SHA-256 over the model without its metadata_props, in protobuf's deterministic serialisation."""
    digest = hashlib.sha256()
    for piece in pieces(model, without={"metadata_props"}):
        digest.update(piece)
    return digest.hexdigest()


def _foreign_props(model: onnx.ModelProto) -> dict[str, str]:
    return {p.key: p.value for p in model.metadata_props if not p.key.startswith(PREFIX)}
