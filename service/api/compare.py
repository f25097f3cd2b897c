"""POST compare: two images through one version, or one image through two versions, and what differs."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.api.classify import image_limits
from service.api.dependencies import AllServices, NamedClassifier
from service.api.openapi import IMAGES_BODY, problems
from service.api.replies import response
from service.api.uploads import Upload, uploads
from service.engine.classifier import Classifier
from service.errors import InvalidParameterError
from service.inspection.comparing.compare import Compare, CompareQuery, Side, compare

router = APIRouter(tags=["inspect"])


@router.post(
    "/compare",
    summary="Two images or two versions, layer by layer",
    response_model=Compare,
    responses={
        200: {
            "content": {
                "application/zip": {"schema": {"type": "string", "format": "binary"}},
                "image/png": {"schema": {"type": "string", "format": "binary"}},
            }
        },
        **problems(400, 404, 413, 415, 422, 503, 504),
    },
    openapi_extra=IMAGES_BODY,
)
async def comparison_of_two(
    request: Request, services: AllServices, classifier: NamedClassifier, query: Annotated[CompareQuery, Query()]
) -> Response:
    """Two images, a and b, through this version; or, `with_version=0`, one image through this version (a) and that (b).

    Differences are b - a. Layers of two versions are compared where their ids are the same; the others are named.
    """
    sent = await uploads(request, 2)
    other = classifier
    if query.with_version is not None:
        other = services.registry.classifier(classifier.name, str(query.with_version))
    first, second = _pair(sent, two_versions=query.with_version is not None)
    reply = await services.ask(
        compare,
        classifier.file,
        other.file,
        _side(first, classifier),
        _side(second, other),
        query,
        image_limits(services),
        services.settings.max_answer_bytes,
        classifier.name,
    )
    return response(reply)


def _pair(sent: list[Upload], *, two_versions: bool) -> tuple[Upload, Upload]:
    if two_versions and len(sent) == 2:
        raise InvalidParameterError("images", 2, "send one with with_version, or two without it")
    if not two_versions and len(sent) == 1:
        raise InvalidParameterError("images", 1, "send two, or one with with_version=N, another version of this model")
    return sent[0], sent[-1]


def _side(upload: Upload, classifier: Classifier) -> Side:
    return Side(upload.data, upload.name, classifier.version, classifier.activation)
