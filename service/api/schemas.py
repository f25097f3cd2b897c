"""What the answers look like: the response models that OpenAPI documents. No logic."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.engine.model_metadata import Metrics, Provenance
from service.engine.providers import Provider
from service.images.preprocessing import Preprocessing


class Answer(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


class Problem(Answer):
    """An error as RFC 9457 application/problem+json. `code` is stable; `remedy` says what would do."""

    type: str = Field(examples=["/problems/model_unknown"])
    title: str
    status: int
    detail: str
    remedy: str
    code: str
    instance: str = Field(description="the path that was asked")
    request_id: str = Field(description="also in the X-Request-ID header and the log")


class Prediction(Answer):
    label: str
    index: int = Field(description="position of the class in the model's output, from 0")
    probability: float = Field(ge=0, le=1, description="softmax(logit / temperature)")
    logit: float | None = Field(description="the network's raw score; null where the file gives only probabilities")


class ImageError(Answer):
    code: str
    detail: str
    remedy: str


class ImageResult(Answer):
    """One image's answer: `predictions`, most probable first, or its own `error`."""

    image: str | None = Field(description="the file name the client sent, if any")
    predictions: list[Prediction] | None = None
    error: ImageError | None = None


class Classification(Answer):
    model: str
    version: int
    provider: Provider = Field(description="where inference ran")
    temperature: float = Field(description="the calibration that was applied to the logits")
    assumed: list[str] = Field(description="what the model file does not state and the service assumed")
    results: list[ImageResult] = Field(description="one per image, in the order they were sent")


class InputDescription(Answer):
    name: str
    dtype: str
    layout: Literal["NHWC", "NCHW"]
    shape: list[int | None] = Field(description="null where any size is taken")


class VersionDescription(Answer):
    """One version. Fields after `default` are null unless its state is ready."""

    version: int
    state: Literal["loading", "ready", "unavailable", "unloaded"]
    reason: str | None = Field(description="why it does not answer; if ready, why its new file was refused")
    default: bool = Field(description="answers where no version is named")
    classifies: bool | None = None
    provider: Provider | None = None
    input: InputDescription | None = None
    preprocessing: Preprocessing | None = None
    temperature: float | None = None
    metrics: Metrics | None = None
    provenance: Provenance | None = None
    assumed: list[str] | None = None
    sha256: str | None = Field(default=None, description="of the whole file")
    checksum: Literal["verified", "not stated"] | None = None
    size_bytes: int | None = None


class ModelDescription(Answer):
    name: str
    classes: list[str] | None = Field(description="of the default version, in the order of its output")
    versions: list[VersionDescription] = Field(description="newest first")


class ModelSummary(Answer):
    name: str
    state: Literal["loading", "ready", "unavailable", "unloaded"] = Field(
        description="of the version that answers by default"
    )
    default_version: int
    versions: list[int]
    classes: int | None
    accuracy: float | None = Field(description="of the default version, on the data set its metrics name")


class IgnoredFile(Answer):
    file: str
    reason: str


class ModelList(Answer):
    provider: Provider | None = Field(description="where inference runs; null where it cannot run")
    provider_reason: str | None = Field(description="why there")
    models: list[ModelSummary]
    ignored: list[IgnoredFile] = Field(description="files in the repository that cannot be a model, and why")


class Health(Answer):
    status: Literal["live", "not live", "ready", "not ready"]
    reasons: list[str] = Field(default=[], description="what is missing, or what was refused while the rest serves")
