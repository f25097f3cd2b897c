"""GET live-statistics: what each layer held for a sample of the images that production classified."""

from dataclasses import asdict
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response

from service.api.dependencies import AllServices, NamedClassifier, Services
from service.api.openapi import problems
from service.api.peers import is_from_peer
from service.api.replies import response
from service.engine.classifier import Classifier
from service.errors import LiveStatisticsOffError, NotAClassifierError
from service.inspection.forms import as_json
from service.inspection.live.live_statistics import (
    LiveStatistics,
    LiveStatisticsQuery,
    Seen,
    live_statistics,
    together,
)
from service.inspection.live.running_statistics import packed, unpacked

router = APIRouter(tags=["inspect"])

_OFF: dict[int | str, dict[str, Any]] = {
    403: {**problems(404)[404], "description": "switched off: FOVEA_LIVE_SHARE is 0"}
}


@router.get(
    "/live-statistics",
    summary="What the layers hold in production",
    response_model=LiveStatistics,
    responses={**_OFF, **problems(404, 422, 503)},
)
async def statistics_of_layers(
    request: Request,
    services: AllServices,
    classifier: NamedClassifier,
    query: Annotated[LiveStatisticsQuery, Query()],
) -> Response:
    """Dead units, ranges and drift against training, of all worker processes together. No image is ever kept.

    Figures begin when the version's file is loaded, and anew when it changes.
    """
    if services.sampler is None:
        raise LiveStatisticsOffError
    if classifier.file.output is None:
        raise NotAClassifierError(classifier.name)
    own = services.sampler.seen(classifier)
    if is_from_peer(request):
        return Response(_written(own), media_type="application/json")
    asked = [own, *await _others(request, services, classifier)]
    answer = live_statistics(
        together(asked),
        classifier.file.metadata.layer_statistics,
        query,
        model=classifier.name,
        version=classifier.version,
        share=services.sampler.share,
        workers=services.workers.count,
        workers_asked=len(asked),
    )
    return response(as_json(answer))


async def _others(request: Request, services: Services, classifier: Classifier) -> list[Seen]:
    """What the other workers saw of the same file; one that is being started again is left out."""
    answers = await services.workers.peers.answers(request, services.settings.request_timeout_seconds)
    return [seen for seen in map(_read, answers) if seen.sha256 == classifier.file.sha256]


def _written(seen: Seen) -> bytes:
    layers = {layer_id: packed(of) for layer_id, of in seen.layers.items()}
    return orjson.dumps(asdict(Seen(**{**vars(seen), "layers": {}})) | {"layers": layers})


def _read(answer: str) -> Seen:
    plain: dict[str, Any] = orjson.loads(answer)
    return Seen(**plain | {"layers": {layer_id: unpacked(of) for layer_id, of in plain["layers"].items()}})
