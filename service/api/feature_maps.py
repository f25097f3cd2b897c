"""POST feature-maps: what each layer saw of some images, as statistics, numbers or pictures."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.api.classify import image_limits
from service.api.dependencies import AllServices, NamedClassifier
from service.api.openapi import IMAGES_BODY, problems
from service.api.replies import response
from service.api.uploads import uploads
from service.inspection.maps.feature_maps import feature_maps
from service.inspection.maps.map_answers import SeenImages
from service.inspection.maps.map_limits import Address
from service.inspection.maps.map_query import FeatureMapsQuery

router = APIRouter(tags=["inspect"])


@router.post(
    "/feature-maps",
    summary="What each layer saw of each image",
    response_model=SeenImages,
    responses={
        200: {
            "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
                "application/zip": {"schema": {"type": "string", "format": "binary"}},
                "image/png": {"schema": {"type": "string", "format": "binary"}},
            }
        },
        **problems(400, 404, 413, 415, 422, 503, 504),
    },
    openapi_extra=IMAGES_BODY,
)
async def maps_of_layers(
    request: Request, services: AllServices, classifier: NamedClassifier, query: Annotated[FeatureMapsQuery, Query()]
) -> Response:
    """Runs the network only as far as the deepest layer asked for, beside the classifier and never through it.

    A single bad image is an error; among many, each has its own result or its own error in JSON. A picture of one layer
    and image shows all its channels; of several, a row of channels for each. `X-Legend` says how to read it, and
    `Server-Timing` how long decoding, inference and packing took, in milliseconds. Numbers have their channels before
    height and width, also where the file has them last; `statistics.shape` is the file's.
    """
    sent = await uploads(request, services.settings.max_images)
    reply = await services.ask(
        feature_maps,
        classifier.file,
        [(upload.name, upload.data) for upload in sent],
        query,
        image_limits(services),
        services.settings.max_answer_bytes,
        Address(classifier.name, classifier.version, version_url(request, classifier.name, classifier.version)),
    )
    return response(reply)


def version_url(request: Request, name: str, version: int) -> str:
    """The path of one version of a model as the client sees it, a proxy's prefix included."""
    return f"{request.scope.get('root_path', '')}/v1/models/{name}/versions/{version}"
