"""Probes: is the process alive, can it answer."""

from fastapi import APIRouter, Response

from service.api.dependencies import AllServices, Services
from service.api.schemas import Health

router = APIRouter(prefix="/health", tags=["health"])


@router.get("/live", summary="Is the process alive")
async def live() -> Health:
    """200 while the event loop turns. Depends on no model."""
    return Health(status="live")


@router.get("/ready", summary="Can it answer", responses={503: {"model": Health, "description": "not ready"}})
async def ready(services: AllServices, response: Response) -> Health:
    """200 once every worker has loaded what there is and a model answers; refused files are named beside it."""
    missing = _missing(services)
    if missing:
        response.status_code = 503
        return Health(status="not ready", reasons=missing)
    return Health(status="ready", reasons=_refused(services))


def _missing(services: Services) -> list[str]:
    registry = services.registry
    if problem := services.device_problem or registry.problem:
        return [problem]
    if not services.scheduler.statistics.all_started():
        return ["models are loading"]
    states = [slot.state for name in registry.names() for slot in registry.slots(name)]
    return [] if "ready" in states else ["no model is ready", *_refused(services)]


def _refused(services: Services) -> list[str]:
    registry = services.registry
    slots = [slot for name in registry.names() for slot in registry.slots(name) if slot.state == "unavailable"]
    return [f"{slot.entry.name} version {slot.entry.version}: {slot.reason}" for slot in slots]
