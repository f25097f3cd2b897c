"""GET layers/{layer}/filters: the kernels of a layer as numbers, statistics or a picture, also of two versions."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from service.api.dependencies import AllServices, NamedClassifier
from service.api.feature_maps import version_url
from service.api.openapi import problems
from service.api.replies import response
from service.inspection.values.filters import Filters, FiltersQuery, filters

router = APIRouter(tags=["inspect"])
_BINARY = {"schema": {"type": "string", "format": "binary"}}


@router.get(
    "/layers/{layer}/filters",
    summary="The filters of a layer",
    response_model=Filters,
    responses={
        200: {"content": {"application/octet-stream": _BINARY, "application/zip": _BINARY, "image/png": _BINARY}},
        **problems(404, 413, 422, 503, 504),
    },
)
async def filters_of_layer(
    request: Request,
    services: AllServices,
    classifier: NamedClassifier,
    layer: Annotated[str, Path(description="id or alias of the layer", examples=["conv1"])],
    query: Annotated[FiltersQuery, Query()],
) -> Response:
    """Before and after training: `with_version=0` puts the untrained network's filters beside these, on one scale."""
    other = query.with_version
    reply = await services.ask(
        filters,
        classifier.file,
        layer,
        query,
        services.settings.max_answer_bytes,
        classifier.name,
        classifier.version,
        version_url(request, classifier.name, classifier.version),
        None if other is None else services.registry.classifier(classifier.name, str(other)).file,
    )
    return response(reply)
