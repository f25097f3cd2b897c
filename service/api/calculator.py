"""POST layer-shapes: the table of layers that somebody writes down, without any model."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from service.api.dependencies import AllServices
from service.api.openapi import problems
from service.api.replies import response
from service.inspection.shapes.layer_table import LayerShapes
from service.inspection.table.answer import TEXT_FORMS
from service.inspection.table.calculator import CalculatorQuery, WrittenNetwork, calculated

router = APIRouter(tags=["inspect"])


@router.post(
    "/v1/layer-shapes",
    summary="The table of layers that you write down",
    response_model=LayerShapes,
    responses={
        200: {"content": {media_type: {"schema": {"type": "string"}} for media_type in TEXT_FORMS.values()}},
        **problems(400, 413, 422, 503, 504),
    },
)
async def calculate_layer_shapes(
    services: AllServices, written: WrittenNetwork, query: Annotated[CalculatorQuery, Query()]
) -> Response:
    """Sizes, formulas, parameters, MACs and receptive fields of a sequence of layers, as for a model file.

    What cannot be is refused with the layer and its number: `layers.3.kernel`.
    """
    return response(await services.ask(calculated, written, query))
