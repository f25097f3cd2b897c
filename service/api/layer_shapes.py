"""GET layer-shapes and layers: how the sizes flow through the network, with the arithmetic filled in."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from service.api.dependencies import AllServices, NamedClassifier
from service.api.openapi import problems
from service.api.replies import response
from service.inspection.table.answer import (
    TEXT_FORMS,
    LayerList,
    LayerShapesQuery,
    ModelLayerShapes,
    OneLayer,
    layer_list,
    one_layer,
    table,
)

router = APIRouter(tags=["inspect"])
LayerName = Annotated[str, Path(description="id or alias of a layer", examples=["conv1"])]


@router.get(
    "/layer-shapes",
    summary="The table of layers, with formulas",
    response_model=ModelLayerShapes,
    responses={
        200: {"content": {media_type: {"schema": {"type": "string"}} for media_type in TEXT_FORMS.values()}},
        **problems(404, 422, 503, 504),
    },
)
async def shapes_of_layers(
    services: AllServices, classifier: NamedClassifier, query: Annotated[LayerShapesQuery, Query()]
) -> Response:
    """Every layer with kernel, stride, padding, shapes, the size formula with its numbers, parameters and MACs."""
    return response(await services.ask(table, classifier.file, query, classifier.name, classifier.version))


@router.get("/layers", summary="The layers in short", response_model=LayerList, responses=problems(404, 422, 503, 504))
async def list_layers(services: AllServices, classifier: NamedClassifier) -> Response:
    """Their ids, aliases, kinds and output shapes, in the order they run."""
    return response(await services.ask(layer_list, classifier.file, classifier.name, classifier.version))


@router.get("/layers/{layer}", summary="One layer", response_model=OneLayer, responses=problems(404, 422, 503, 504))
async def describe_layer(services: AllServices, classifier: NamedClassifier, layer: LayerName) -> Response:
    """Its row of the table of layers."""
    return response(await services.ask(one_layer, classifier.file, layer, classifier.name, classifier.version))
