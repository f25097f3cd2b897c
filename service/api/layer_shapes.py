"""GET layer-shapes: how the sizes flow through the network, with the arithmetic filled in."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from service.api.dependencies import AllServices, NamedClassifier
from service.api.openapi import problems
from service.api.replies import response
from service.inspection.layer_table import LayerShapes
from service.inspection.table import TEXT_FORMS, LayerShapesQuery, table

router = APIRouter(tags=["inspect"])


@router.get(
    "/layer-shapes",
    summary="The table of layers, with formulas",
    response_model=LayerShapes,
    responses={
        200: {"content": {media_type: {"schema": {"type": "string"}} for media_type in TEXT_FORMS.values()}},
        **problems(404, 422, 503, 504),
    },
)
async def shapes_of_layers(
    services: AllServices, classifier: NamedClassifier, query: Annotated[LayerShapesQuery, Query()]
) -> Response:
    """Every layer with kernel, stride, padding, shapes, the size formula with its numbers, parameters and MACs."""
    return response(await services.ask(table, classifier.file, query))
