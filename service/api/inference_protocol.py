"""The Open Inference Protocol V2 over REST, so that clients made for Triton and KServe work unchanged.

Unpacks, calls, packs. Never looks at Content-Type: its clients send none, or octet-stream with JSON. The routes are not
in our OpenAPI: the protocol has its own published specification.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response
from starlette.datastructures import Headers

from service import __version__
from service.api import health, protocol_models, protocol_repository
from service.api.classify import image_limits
from service.api.dependencies import AllServices, ModelName, NamedClassifier, Services
from service.api.facts import Stages, facts_of
from service.api.protocol_answer import Wishes, check_size, packed, wishes
from service.api.protocol_compression import compressed, decompressed
from service.api.protocol_inputs import Prepared, prepared
from service.api.protocol_request import LENGTH_HEADER, InferRequest, parsed
from service.arrays import Scores
from service.engine.classifier import Classifier
from service.engine.devices import RUNTIME_ERRORS
from service.engine.registry import Slot
from service.engine.request import Request as Admitted
from service.errors import (
    InvalidParameterError,
    InvalidTensorError,
    ModelOutputInvalidError,
    NotAClassifierError,
)

router = APIRouter(prefix="/v2", include_in_schema=False)
router.include_router(protocol_repository.router)

EXTENSIONS = (
    "classification",
    "model_repository",
    "model_configuration",
    "binary_tensor_data",
    "parameters",
    "statistics",
)
UNLOADING = "model_repository(unload_dependents)"
_MODEL = "/models/{model}"
_VERSION = "/models/{model}/versions/{version}"
_OF_THE_INPUT: tuple[type[Exception], ...] = (ModelOutputInvalidError, *RUNTIME_ERRORS)
_FEW = 4096  # scores that are packed in less time than a thread takes to start on them


@router.get("")
async def server(request: Request) -> dict[str, Any]:
    """What is advertised works: without a token nobody can unload, and `model_repository` is the index."""
    managed = request.app.state.entrance.tokens.wanted("management")
    return {
        "name": "fovea",
        "version": __version__,
        "extensions": [*EXTENSIONS, UNLOADING] if managed else EXTENSIONS,
    }


@router.get("/health/live")
async def live(services: AllServices, response: Response) -> dict[str, bool]:
    return {"live": (await health.live(services, response)).status == "live"}


@router.get("/health/ready")
async def ready(services: AllServices, response: Response) -> dict[str, bool]:
    is_ready = health.readiness(services).status == "ready"
    if not is_ready:
        response.status_code = 503
    return {"ready": is_ready}


@router.get("/models")
async def models(services: AllServices) -> dict[str, list[str]]:
    """KServe's list."""
    return {"models": services.registry.names()}


@router.get("/models/stats")
async def all_statistics(services: AllServices) -> dict[str, Any]:
    return await asyncio.to_thread(_statistics, services, services.registry.all_slots())


@router.get(_MODEL)
@router.get(_VERSION)
async def model(services: AllServices, classifier: NamedClassifier) -> dict[str, Any]:
    slots = services.registry.slots(classifier.name)
    return protocol_models.metadata(classifier, [slot.entry.version for slot in slots if slot.classifier])


@router.get(_MODEL + "/ready")
@router.get(_VERSION + "/ready")
async def model_ready(classifier: NamedClassifier) -> dict[str, Any]:
    return {"name": classifier.name, "ready": True}


@router.get(_MODEL + "/config")
@router.get(_VERSION + "/config")
async def configuration(services: AllServices, classifier: NamedClassifier) -> dict[str, Any]:
    return protocol_models.configuration(classifier, services.settings.max_batch)


@router.get(_MODEL + "/stats")
async def statistics(services: AllServices, model: ModelName) -> dict[str, Any]:
    return await asyncio.to_thread(_statistics, services, services.registry.slots(model))


@router.get(_VERSION + "/stats")
async def version_statistics(services: AllServices, classifier: NamedClassifier) -> dict[str, Any]:
    slots = services.registry.slots(classifier.name)
    asked = [slot for slot in slots if slot.entry.version == classifier.version]
    return await asyncio.to_thread(_statistics, services, asked)


@router.post(_MODEL + "/infer")
@router.post(_VERSION + "/infer")
async def infer(request: Request, services: AllServices, classifier: NamedClassifier) -> Response:
    """The class scores of the sent tensor or images, or the best classes with their labels."""
    if classifier.file.output is None:
        raise NotAClassifierError(classifier.name)
    body, began = await request.body(), time.monotonic()
    asked = await services.run(services.decoders, lambda: _asked(body, request.headers, services, classifier))
    decoded = time.monotonic()
    services.scheduler.statistics.decoded((classifier.name, classifier.version), decoded - began)
    facts = facts_of(request)
    place, scores = await _scores(asked, services, classifier, facts.trace)
    facts.stages = Stages(began, decoded, place.started, time.monotonic())
    if services.sampler is not None:
        services.sampler.offer(classifier, asked.input.batch)

    def packing() -> Response:
        return _packed(scores, asked, classifier, request.headers.get("accept-encoding", ""))

    return packing() if scores.size <= _FEW else await services.run(services.decoders, packing)


@dataclass(frozen=True)
class _Asked:
    """An infer request that may run. `request` is None where the body was one raw input."""

    request: InferRequest | None
    input: Prepared
    wishes: Wishes


def _asked(body: bytes, headers: Headers, services: Services, classifier: Classifier) -> _Asked:
    assert classifier.file.output is not None  # noqa: S101 - asked before
    settings = services.settings
    plain = decompressed(body, headers.get("content-encoding", ""), settings.max_body_bytes)
    found = parsed(plain, headers.get(LENGTH_HEADER))
    wished = wishes(found.request, classifier.file.output)
    sent = prepared(found, classifier, image_limits(services), settings.max_images)
    check_size(len(sent.batch), wished, classifier.file.output, settings.max_answer_bytes)
    return _Asked(found.request, sent, wished)


async def _scores(asked: _Asked, services: Services, classifier: Classifier, trace: object) -> tuple[Admitted, Scores]:
    """Through the scheduler. What a client's own tensor does to the network is the client's error, not ours."""
    sent, seconds = asked.input, _seconds(asked.request, services.settings.request_timeout_seconds)
    try:
        place = services.scheduler.submit(classifier, sent.batch, seconds, trace)
        scores = (await services.scheduler.answered(place)).scores()
    except _OF_THE_INPUT as error:
        if not sent.by_client:
            raise
        what = "answers NaN or infinity for" if isinstance(error, ModelOutputInvalidError) else "cannot run"
        raise _unusable(f"the network {what}", sent.batch) from error
    if scores.shape[1] != len(classifier.file.metadata.class_names):
        raise _unusable("the network gives several scores per class for", sent.batch)
    return place, scores


def _unusable(what: str, batch: np.ndarray) -> InvalidTensorError:
    return InvalidTensorError(
        f"{what} this input of shape {list(batch.shape)}",
        "send values and sizes as in its training, or images as BYTES",
    )


def _seconds(request: InferRequest | None, limit: float) -> float:
    """The request's own `timeout`, in microseconds, may only shorten ours; 0 is ours."""
    timeout = request.parameters.get("timeout", 0) if request else 0
    if isinstance(timeout, bool | str) or not timeout >= 0:  # also NaN
        raise InvalidParameterError("timeout", timeout, "use microseconds, 0 for the service's own limit")
    return min(timeout, limit * 1e6) / 1e6 if timeout else limit


def _packed(scores: Scores, asked: _Asked, classifier: Classifier, accepted: str) -> Response:
    body, headers = packed(scores, asked.wishes, asked.request, classifier)
    if not asked.wishes.binary:
        body, encoding = compressed(body, accepted)
        headers.update(encoding)
    return Response(body, headers=headers)


def _statistics(services: Services, slots: list[Slot]) -> dict[str, Any]:
    """Runs in a thread: it reads what all workers counted."""
    of = services.scheduler.statistics.of
    ready = [slot.entry for slot in slots if slot.classifier]
    figures = [(entry, of((entry.name, entry.version))) for entry in ready]
    return {"model_stats": [protocol_models.statistics(entry.name, entry.version, found) for entry, found in figures]}
