"""POST feature-maps: what each layer saw of one image, as statistics, numbers or pictures."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.api.classify import image_limits
from service.api.dependencies import AllServices, NamedClassifier
from service.api.openapi import IMAGE_BODY, problems
from service.api.replies import response
from service.api.uploads import uploads
from service.inspection.feature_maps import FeatureMapsQuery, SeenImage, feature_maps

router = APIRouter(tags=["inspect"])


@router.post(
    "/feature-maps",
    summary="What each layer saw of one image",
    response_model=SeenImage,
    responses={
        200: {
            "content": {
                "application/zip": {"schema": {"type": "string", "format": "binary"}},
                "image/png": {"schema": {"type": "string", "format": "binary"}},
            }
        },
        **problems(404, 413, 415, 422, 503, 504),
    },
    openapi_extra=IMAGE_BODY,
)
async def maps_of_layers(
    request: Request, services: AllServices, classifier: NamedClassifier, query: Annotated[FeatureMapsQuery, Query()]
) -> Response:
    """Runs the network only as far as the deepest layer asked for, beside the classifier and never through it."""
    (upload,) = await uploads(request, 1)
    reply = await services.ask(
        feature_maps,
        classifier.file,
        upload.data,
        query,
        image_limits(services),
        services.settings.max_answer_bytes,
        classifier.name,
        classifier.version,
        version_url(request, classifier.name, classifier.version),
    )
    return response(reply)


def version_url(request: Request, name: str, version: int) -> str:
    """The path of one version of a model as the client sees it, a proxy's prefix included."""
    return f"{request.scope.get('root_path', '')}/v1/models/{name}/versions/{version}"
