"""POST layers/{layer}/unit: one value of a layer, re-derived product by product."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from service.api.classify import image_limits
from service.api.dependencies import AllServices, NamedClassifier
from service.api.openapi import IMAGE_BODY, problems
from service.api.replies import response
from service.api.uploads import uploads
from service.inspection.values.unit import Unit, UnitQuery, unit

router = APIRouter(tags=["inspect"])


@router.post(
    "/layers/{layer}/unit",
    summary="One value of a layer, re-derived",
    response_model=Unit,
    responses=problems(400, 404, 413, 415, 422, 503, 504),
    openapi_extra=IMAGE_BODY,
)
async def unit_of_layer(
    request: Request,
    services: AllServices,
    classifier: NamedClassifier,
    layer: Annotated[str, Path(description="id or alias of the layer", examples=["conv1"])],
    query: Annotated[UnitQuery, Query()],
) -> Response:
    """Patch times kernel plus bias in float64, from the layer's input and the file's weights, and what the runtime
    computed for the same place; the two must agree. Also pooling, dense, normalisation and activation units.
    """
    (upload,) = await uploads(request, 1)
    reply = await services.ask(
        unit,
        classifier.file,
        layer,
        upload.data,
        query,
        image_limits(services),
        classifier.name,
        classifier.version,
    )
    return response(reply)
