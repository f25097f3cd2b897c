"""POST classify: what is in each image."""

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from service.api.classification import Prepared, encoded, prepared, ranked
from service.api.dependencies import AllServices, NamedClassifier, Services
from service.api.facts import Facts, Stages, facts_of
from service.api.openapi import IMAGES_BODY, problems
from service.api.schemas import Classification
from service.api.uploads import Upload, uploads
from service.engine.classifier import Classifier
from service.engine.decoders import check_wanted
from service.engine.outcomes import Piece
from service.engine.request import Request as Admitted
from service.errors import FoveaError, ImageTooLargeError, NotAClassifierError
from service.images.decoding import ImageLimits

router = APIRouter(tags=["classify"])
CLASSIFY_ROUTES = (
    "/v1/models/{model}/classify",
    "/v1/models/{model}/versions/{version}/classify",
)  # as `app` mounts it

# Decoding this little takes less than handing it to a thread and back, 0.3 ms (2 cores). The pixels are bounded
# because 34 bytes of WebP can hold 81 million of them.
SMALL_BYTES = 4096
SMALL_IMAGE = ImageLimits(max_pixels=64 * 64, max_side=256)


class ClassifyQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    top: int = Field(default=5, ge=1, le=10_000, description="classes per image; more than there are gives all")


@router.post(
    "/classify",
    summary="What is in each image",
    response_model=Classification,
    responses=problems(400, 404, 413, 415, 422, 503, 504),
    openapi_extra=IMAGES_BODY,
)
async def classify(
    request: Request, services: AllServices, classifier: NamedClassifier, query: Annotated[ClassifyQuery, Query()]
) -> Response:
    """One or many images. A single bad image is an error; among many, each has its own answer or its own error.

    The `Server-Timing` header says how long decoding, queueing and inference took, in milliseconds.
    """
    sent = await uploads(request, services.settings.max_images)
    answer, stages = await classified(sent, services, classifier, query.top, facts_of(request))
    return Response(answer, headers={"Server-Timing": stages.server_timing}, media_type="application/json")


def image_limits(services: Services) -> ImageLimits:
    """The limits of the settings, for `decode`."""
    return ImageLimits(max_pixels=services.settings.max_image_pixels)


async def classified(
    sent: Sequence[Upload], services: Services, classifier: Classifier, top: int, facts: Facts
) -> tuple[bytes, Stages]:
    """The answer to the images, and the stages of getting it, which are written among the `facts` as well.

    Refused before anything is decoded where the answer would come too late.
    """
    if classifier.file.output is None:
        raise NotAClassifierError(classifier.name)
    seconds = services.settings.request_timeout_seconds
    with services.scheduler.admitted(classifier, len(sent), seconds, facts.trace) as place:
        inputs = await _inputs(sent, services, classifier)
        decoded = time.monotonic()
        services.scheduler.statistics.decoded(place.lane, decoded - place.arrived)
        if len(inputs) == 1 and isinstance(inputs[0], FoveaError):
            raise inputs[0]
        pieces = await _pieces(inputs, services, place)
    ended = time.monotonic() if pieces else None
    if services.sampler is not None:
        services.sampler.offer(classifier, (item for item in inputs if not isinstance(item, FoveaError)))
    results = ranked(classifier, pieces, top)
    facts.stages = Stages(place.arrived, decoded, place.started, ended)
    return encoded(classifier, sent, inputs, results), facts.stages


async def _inputs(sent: Sequence[Upload], services: Services, classifier: Classifier) -> list[Prepared]:
    """The network's inputs in order. One small image is prepared here, all others in the decoders' threads."""
    if len(sent) == 1 and len(sent[0].data) <= SMALL_BYTES:
        small = prepared(sent[0], SMALL_IMAGE, classifier)
        if not isinstance(small, ImageTooLargeError):
            return [small]
    limits = image_limits(services)

    def decoded(uploads: Sequence[Upload]) -> list[Prepared]:
        found = []
        for upload in uploads:
            check_wanted()
            found.append(prepared(upload, limits, classifier))
        return found

    share = -(-len(sent) // services.decoder_threads)
    shares = [sent[start : start + share] for start in range(0, len(sent), share)]
    found = await asyncio.gather(*(services.run(services.decoders, partial(decoded, part)) for part in shares))
    return [item for part in found for item in part]


async def _pieces(inputs: Sequence[Prepared], services: Services, place: Admitted) -> Sequence[Piece]:
    """What became of the good images; a single one's failure is raised."""
    images = [item for item in inputs if not isinstance(item, FoveaError)]
    if not images:
        return []
    services.scheduler.enqueue(place, np.stack(images))
    answer = await services.scheduler.answered(place)
    if len(inputs) == 1:
        answer.scores()
    return answer.pieces
