"""GET layer-shapes: how the sizes flow through the network, with the arithmetic filled in."""

from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from service.api.dependencies import AllServices, NamedClassifier
from service.api.openapi import problems
from service.inspection.layer_shapes import layer_shapes
from service.inspection.layer_table import LayerShapes
from service.inspection.tables import as_csv, as_markdown, as_text

router = APIRouter(tags=["inspect"])

_RENDERED: dict[str, tuple[Callable[[LayerShapes], str], str]] = {
    "text": (as_text, "text/plain"),
    "markdown": (as_markdown, "text/markdown"),
    "csv": (as_csv, "text/csv"),
}


class LayerShapesQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: Literal["json", "text", "markdown", "csv"] = Field(default="json", description="form of the answer")
    height: int | None = Field(default=None, ge=1, le=4096, description="another input height; unset: the model's")
    width: int | None = Field(default=None, ge=1, le=4096, description="another input width; unset: the model's")
    batch: int | None = Field(
        default=None, ge=1, le=4096, description="images in one batch; unset: the model's, else 1"
    )


@router.get(
    "/layer-shapes",
    summary="The table of layers, with formulas",
    response_model=LayerShapes,
    responses={
        200: {"content": {media_type: {"schema": {"type": "string"}} for _, media_type in _RENDERED.values()}},
        **problems(404, 422, 503, 504),
    },
)
async def shapes_of_layers(
    services: AllServices, classifier: NamedClassifier, query: Annotated[LayerShapesQuery, Query()]
) -> LayerShapes | Response:
    """Every layer with kernel, stride, padding, shapes, the size formula with its numbers, parameters and MACs."""
    file = classifier.file
    default = file.metadata.preprocessing
    table = await services.run(
        services.inspectors,
        lambda: layer_shapes(
            file.model,
            file.metadata.layers,
            batch=query.batch,
            height=query.height or default.height,
            width=query.width or default.width,
        ),
    )
    if query.format == "json":
        return table
    render, media_type = _RENDERED[query.format]
    return Response(render(table), media_type=media_type)
