"""POST load, unload and reload: what is loaded, changed over HTTP. Off unless a token switches it on.

No request names a path or sends a file: only what lies in the repository can be loaded.
"""

import asyncio
import hmac
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from service.api import models
from service.api.dependencies import AllServices, ModelName, Services, named_version
from service.api.openapi import problems
from service.api.schemas import ModelDescription, ModelList
from service.engine.watching import Watcher
from service.errors import InvalidTokenError, ManagementOffError, ModelUnavailableError

_BEARER = HTTPBearer(auto_error=False, description="the value of FOVEA_MANAGEMENT_TOKEN")


async def authorized(
    services: AllServices, sent: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
) -> None:
    """Raises ManagementOffError where no token is set and InvalidTokenError where another one was sent."""
    token = services.settings.management_token
    if token is None:
        raise ManagementOffError
    # As bytes: text that is not ASCII cannot be compared in constant time.
    if sent is None or not hmac.compare_digest(sent.credentials.encode(), token.get_secret_value().encode()):
        raise InvalidTokenError(sent=sent is not None)


async def watcher_of(request: Request, services: AllServices) -> Watcher:
    watcher = cast("Watcher | None", request.app.state.watcher)
    if watcher is None:
        raise ModelUnavailableError(
            request.path_params.get("model", "*"), f"nothing can run: {services.device_problem}"
        )
    return watcher


async def everywhere(request: Request, services: Services, change: Callable[[], None]) -> None:
    """Makes the change in this worker, off the event loop, and by the same request in all others."""
    await asyncio.to_thread(change)
    await services.workers.peers.repeat(request)


TheWatcher = Annotated[Watcher, Depends(watcher_of)]
Version = Annotated[str, Depends(named_version)]


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    described = problems(404, 422, 503)
    refused = {401: "the token is missing or wrong", 403: "switched off: no token is set"}
    described |= {status: {**described[503], "description": meaning} for status, meaning in refused.items()}
    described[422] = {**described[422], "description": "the version's file cannot be loaded"}
    return {status: described[status] for status in (401, 403, 503, *statuses)}


router = APIRouter(prefix="/v1/models", tags=["management"], dependencies=[Depends(authorized)])


@router.post("/{model}/versions/{version}/load", summary="Load a version now", responses=_problems(404, 422))
async def load(
    request: Request, services: AllServices, watcher: TheWatcher, model: ModelName, version: Version
) -> ModelDescription:
    """Tries, loads and swaps in the file of this version; answers when that is done. Nothing else waits for it."""
    await everywhere(request, services, partial(watcher.load, model, version))
    return await models.model(services, model)


@router.post("/{model}/versions/{version}/unload", summary="Give back a version's memory", responses=_problems(404))
async def unload(
    request: Request, services: AllServices, watcher: TheWatcher, model: ModelName, version: Version
) -> ModelDescription:
    """The file stays; the version answers again after `load`, or once its file changes. Requests under way finish."""
    await everywhere(request, services, partial(watcher.unload, model, version))
    return await models.model(services, model)


@router.post("/reload", summary="Look at the repository now", responses=_problems())
async def reload(request: Request, services: AllServices, watcher: TheWatcher) -> ModelList:
    """As the look every FOVEA_POLL_SECONDS, but new and changed files count at once; answers when they are loaded."""
    await everywhere(request, services, watcher.reload)
    return await models.models(services)
