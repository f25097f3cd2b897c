"""POST received: the exact picture that the network was given."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.api.classify import image_limits
from service.api.dependencies import AllServices, NamedClassifier
from service.api.openapi import IMAGE_BODY, problems
from service.api.replies import response
from service.api.uploads import uploads
from service.inspection.maps.received import Received, ReceivedQuery, received

router = APIRouter(tags=["inspect"])

_BINARY = {"schema": {"type": "string", "format": "binary"}}


@router.post(
    "/received",
    summary="The exact picture that the network was given",
    response_model=Received,
    responses={
        200: {"content": {"image/png": _BINARY, "application/octet-stream": _BINARY}},
        **problems(400, 404, 413, 415, 422, 503, 504),
    },
    openapi_extra=IMAGE_BODY,
)
async def picture_received(
    request: Request, services: AllServices, classifier: NamedClassifier, query: Annotated[ReceivedQuery, Query()]
) -> Response:
    """After decoding, turning upright, resizing and colours: what every map and overlay refers to."""
    (upload,) = await uploads(request, 1)
    reply = await services.ask(
        received,
        classifier.file,
        upload.data,
        query,
        image_limits(services),
        services.settings.max_answer_bytes,
        classifier.name,
        classifier.version,
    )
    return response(reply)
