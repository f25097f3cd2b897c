"""GET models: what is loaded, what is not and why, and what each version takes."""

from fastapi import APIRouter

from service.api.dependencies import AllServices, ModelName
from service.api.openapi import problems
from service.api.schemas import (
    IgnoredFile,
    InputDescription,
    ModelDescription,
    ModelList,
    ModelSummary,
    VersionDescription,
)
from service.engine.classifier import Classifier
from service.engine.registry import Slot

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.get("", summary="All models")
async def models(services: AllServices) -> ModelList:
    registry = services.registry
    return ModelList(
        provider=services.device.provider if services.device else None,
        provider_reason=services.device.reason if services.device else services.device_problem,
        models=[_summary(name, registry.slots(name), registry.default(name)) for name in registry.names()],
        ignored=[IgnoredFile(file=item.path.name, reason=item.reason) for item in registry.ignored()],
    )


@router.get("/{model}", summary="One model and its versions", responses=problems(404, 422))
async def model(services: AllServices, model: ModelName) -> ModelDescription:
    slots, default = services.registry.slots(model), services.registry.default(model)
    names = default.classifier.file.metadata.class_names if default.classifier else None
    return ModelDescription(
        name=model,
        classes=list(names) if names is not None else None,
        versions=[_version(slot, is_default=slot is default) for slot in slots],
    )


def _summary(name: str, slots: list[Slot], default: Slot) -> ModelSummary:
    metadata = default.classifier.file.metadata if default.classifier else None
    return ModelSummary(
        name=name,
        state=default.state,
        default_version=default.entry.version,
        versions=[slot.entry.version for slot in slots],
        classes=len(metadata.class_names) if metadata else None,
        accuracy=metadata.metrics.accuracy if metadata and metadata.metrics else None,
    )


def _version(slot: Slot, *, is_default: bool) -> VersionDescription:
    known = VersionDescription(version=slot.entry.version, state=slot.state, reason=slot.reason, default=is_default)
    return known if slot.classifier is None else known.model_copy(update=_details(slot.classifier))


def _details(classifier: Classifier) -> dict[str, object]:
    file = classifier.file
    return {
        "classifies": file.output is not None,
        "provider": classifier.device.provider,
        "input": _input(classifier),
        **{name: getattr(file.metadata, name) for name in ("preprocessing", "temperature", "metrics", "provenance")},
        "assumed": list(file.metadata.assumed),
        "sha256": file.sha256,
        "checksum": "verified" if file.checksum_stated else "not stated",
        "size_bytes": file.size_bytes,
    }


def _input(classifier: Classifier) -> InputDescription:
    taken = classifier.file.input
    sides = [taken.height, taken.width]
    shape = [*sides, taken.channels] if taken.layout == "NHWC" else [taken.channels, *sides]
    return InputDescription(name=taken.name, dtype=taken.dtype, layout=taken.layout, shape=[taken.batch, *shape])
