"""POST shift: the picture moved by some pixels, and how much of that each layer and the answer notice."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.api.classify import image_limits
from service.api.dependencies import AllServices, NamedClassifier
from service.api.openapi import IMAGE_BODY, problems
from service.api.replies import response
from service.api.uploads import uploads
from service.inspection.comparing.shift import Shift, ShiftQuery, shift

router = APIRouter(tags=["inspect"])


@router.post(
    "/shift",
    summary="The same picture moved: what changes",
    response_model=Shift,
    responses={
        200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}},
        **problems(400, 404, 413, 415, 422, 503, 504),
    },
    openapi_extra=IMAGE_BODY,
)
async def shift_of_picture(
    request: Request, services: AllServices, classifier: NamedClassifier, query: Annotated[ShiftQuery, Query()]
) -> Response:
    """Translation invariance in numbers: input, layers and answer of the moved picture against those of the original.

    The picture is moved as the network receives it, at the network's size. Several `dx` give a curve for each layer.
    """
    (upload,) = await uploads(request, 1)
    reply = await services.ask(
        shift,
        classifier.file,
        upload.data,
        query,
        image_limits(services),
        classifier.activation,
        classifier.name,
        classifier.version,
    )
    return response(reply)
