"""POST classify: what is in each image."""

import time
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from service.api.dependencies import AllServices, NamedClassifier, Services
from service.api.openapi import IMAGES_BODY, problems
from service.api.schemas import Classification, ImageError, ImageResult, Prediction
from service.api.uploads import Upload, uploads
from service.arrays import ClassScores, NetworkInput, Scores
from service.engine.classifier import Classifier
from service.engine.scheduler import answer
from service.errors import FoveaError, ImageTooLargeError, NotAClassifierError
from service.images.decoding import ImageLimits, decode
from service.images.preprocessing import prepare

router = APIRouter(tags=["classify"])

# Decoding this little takes 0.15 ms, and handing it to a thread and back 0.3 ms (2 cores). The pixels are bounded
# because 34 bytes of WebP can hold 81 million of them.
SMALL_BYTES = 4096
SMALL_IMAGE = ImageLimits(max_pixels=64 * 64, max_side=256)


class ClassifyQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    top: int = Field(default=5, ge=1, le=10_000, description="classes per image; more than there are gives all")


@router.post(
    "/classify",
    summary="What is in each image",
    response_model_exclude_unset=True,  # an image has predictions or an error, never a null of the other
    responses=problems(404, 413, 415, 422, 503, 504),
    openapi_extra=IMAGES_BODY,
)
async def classify(
    request: Request,
    response: Response,
    services: AllServices,
    classifier: NamedClassifier,
    query: Annotated[ClassifyQuery, Query()],
) -> Classification:
    """One or many images. A single bad image is an error; among many, each has its own answer or its own error.

    The `Server-Timing` header says how long decoding, queueing and inference took, in milliseconds.
    """
    sent = await uploads(request, services.settings.max_images)
    answered, response.headers["Server-Timing"] = await classified(sent, services, classifier, query.top)
    return answered


async def classified(
    sent: Sequence[Upload], services: Services, classifier: Classifier, top: int
) -> tuple[Classification, str]:
    """The answer to the images, and the `Server-Timing` of getting it."""
    if classifier.file.output is None:
        raise NotAClassifierError(classifier.name)
    began = time.monotonic()
    inputs = await _inputs(sent, services, classifier)
    timing = f"decode;dur={1000 * (time.monotonic() - began):.3f}"
    if len(inputs) == 1 and isinstance(inputs[0], FoveaError):
        raise inputs[0]
    images = [item for item in inputs if not isinstance(item, FoveaError)]
    predictions, run_timing = await _ranked(images, services, classifier, top) if images else ([], "")
    return _classification(sent, inputs, predictions, classifier), timing + run_timing


def _classification(
    sent: Sequence[Upload],
    inputs: Sequence[NetworkInput | FoveaError],
    predictions: Sequence[list[Prediction]],
    classifier: Classifier,
) -> Classification:
    ranked = iter(predictions)
    return Classification(
        model=classifier.name,
        version=classifier.version,
        provider=classifier.device.provider,
        temperature=classifier.file.metadata.temperature,
        assumed=list(classifier.file.metadata.assumed),
        results=[
            _failed(upload, item)
            if isinstance(item, FoveaError)
            else ImageResult(image=upload.name, predictions=next(ranked))
            for upload, item in zip(sent, inputs, strict=True)
        ],
    )


def image_limits(services: Services) -> ImageLimits:
    """The limits of the settings, for `decode`."""
    return ImageLimits(max_pixels=services.settings.max_image_pixels)


async def _inputs(
    sent: Sequence[Upload], services: Services, classifier: Classifier
) -> list[NetworkInput | FoveaError]:
    """The network's inputs in order. One small image is prepared here, any other in the decoders' threads."""
    if len(sent) == 1 and len(sent[0].data) <= SMALL_BYTES:
        small = _input(sent[0], SMALL_IMAGE, classifier)
        if not isinstance(small, ImageTooLargeError):
            return [small]
    limits = image_limits(services)
    return await services.run(services.decoders, lambda: [_input(upload, limits, classifier) for upload in sent])


def _input(upload: Upload, limits: ImageLimits, classifier: Classifier) -> NetworkInput | FoveaError:
    """The network's input, or the reason why there is none: among many images one bad one is not an error."""
    try:
        return prepare(decode(upload.data, limits), classifier.file.metadata.preprocessing)
    except FoveaError as error:
        return error


async def _ranked(
    images: Sequence[NetworkInput], services: Services, classifier: Classifier, top: int
) -> tuple[list[list[Prediction]], str]:
    timeout = services.settings.request_timeout_seconds
    lane = (classifier.name, classifier.version)
    run = services.scheduler.submit(lane, np.stack(images), classifier.scores, timeout)
    scores = await answer(run)
    inference = time.monotonic() - (run.started or run.arrived)
    timing = f", queue;dur={1000 * run.queue_seconds:.3f}, inference;dur={1000 * inference:.3f}"
    return _predictions(classifier, scores, top), timing


def _predictions(classifier: Classifier, scores: Scores, top: int) -> list[list[Prediction]]:
    probabilities = classifier.probabilities(scores)
    return [_best(classifier, row, chances, top) for row, chances in zip(scores, probabilities, strict=True)]


def _best(classifier: Classifier, scores: ClassScores, probabilities: ClassScores, top: int) -> list[Prediction]:
    """The `top` most probable classes; of equals the lower index first."""
    names, has_logits = classifier.file.metadata.class_names, classifier.activation is None
    order = np.argsort(-scores, kind="stable")[:top].tolist()
    return [
        Prediction(
            label=names[index],
            index=index,
            probability=float(probabilities[index]),
            logit=float(scores[index]) if has_logits else None,
        )
        for index in order
    ]


def _failed(upload: Upload, error: FoveaError) -> ImageResult:
    return ImageResult(image=upload.name, error=ImageError(code=error.code, detail=error.detail, remedy=error.remedy))
