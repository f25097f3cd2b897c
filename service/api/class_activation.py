"""POST class-activation: where the evidence for a class lies in one image."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.api.classify import image_limits
from service.api.dependencies import AllServices, NamedClassifier
from service.api.feature_maps import version_url
from service.api.openapi import IMAGE_BODY, problems
from service.api.replies import response
from service.api.uploads import uploads
from service.inspection.evidence.class_activation import ClassActivation, ClassActivationQuery, class_activation

router = APIRouter(tags=["inspect"])


@router.post(
    "/class-activation",
    summary="Where the evidence for a class lies in one image",
    response_model=ClassActivation,
    responses={
        200: {
            "content": {
                "image/png": {"schema": {"type": "string", "format": "binary"}},
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
                "application/zip": {"schema": {"type": "string", "format": "binary"}},
            }
        },
        **problems(400, 404, 413, 415, 422, 503, 504),
    },
    openapi_extra=IMAGE_BODY,
)
async def evidence_for_class(
    request: Request,
    services: AllServices,
    classifier: NamedClassifier,
    query: Annotated[ClassActivationQuery, Query()],
) -> Response:
    """Forward passes only, beside the classifier and never through it. Passes that cannot end in time are a 422."""
    (upload,) = await uploads(request, 1)
    reply = await services.ask(
        class_activation,
        classifier.file,
        upload.data,
        query,
        image_limits(services),
        services.settings.max_answer_bytes,
        services.settings.request_timeout_seconds,
        classifier.name,
        classifier.version,
        version_url(request, classifier.name, classifier.version),
    )
    return response(reply)
