"""Probes: is the process alive, can it answer."""

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response

from service.api.dependencies import AllServices, Services
from service.api.schemas import Health

if TYPE_CHECKING:
    from service.api.entrance import Entrance

router = APIRouter(prefix="/health", tags=["health"])


@router.get(
    "/live", summary="Is the process alive", responses={503: {"model": Health, "description": "to be started again"}}
)
async def live(services: AllServices, response: Response) -> Health:
    """200 while the event loop turns and images can be decoded. Depends on no model."""
    if problem := services.decoders.problem:
        response.status_code = 503
        return Health(status="not live", reasons=[problem])
    return Health(status="live")


@router.get("/ready", summary="Can it answer", responses={503: {"model": Health, "description": "not ready"}})
async def ready(request: Request, services: AllServices, response: Response) -> Health:
    """200 once every worker has loaded what there is and a model answers; refused files are named beside it. 503 again
    from the moment on in which the service is told to stop.

    Open to all, so where a service wants tokens only who sends one is told the reasons: they name models.
    """
    found = readiness(services)
    if found.status != "ready":
        response.status_code = 503
    entrance: Entrance = request.app.state.entrance
    told = entrance.lets_in(request.headers.get("authorization", "").encode("latin-1"))
    return found if told else Health(status=found.status)


def readiness(services: Services) -> Health:
    missing = _missing(services)
    if missing:
        return Health(status="not ready", reasons=missing)
    return Health(status="ready", reasons=_refused(services))


def _missing(services: Services) -> list[str]:
    registry = services.registry
    if services.draining.active:
        return ["the service is stopping"]
    if problem := services.device_problem or registry.problem or services.decoders.problem:
        return [problem]
    if not services.scheduler.statistics.all_started():
        return ["models are loading"]
    states = [slot.state for name in registry.names() for slot in registry.slots(name)]
    return [] if "ready" in states else ["no model is ready", *_refused(services)]


def _refused(services: Services) -> list[str]:
    registry = services.registry
    slots = [slot for name in registry.names() for slot in registry.slots(name) if slot.state == "unavailable"]
    return [f"{slot.entry.name} version {slot.entry.version}: {slot.reason}" for slot in slots]
