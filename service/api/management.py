"""POST load, unload and reload: what is loaded, changed over HTTP. Off unless tokens for it switch it on.

No request names a path or sends a file: only what lies in the repository can be loaded.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, cast

from fastapi import APIRouter, Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from service.api import models
from service.api.dependencies import AllServices, ModelName, Services, named_version
from service.api.facts import facts_of
from service.api.openapi import problems
from service.api.schemas import ModelDescription, ModelList
from service.engine.watching import Watcher
from service.errors import InvalidTokenError, ManagementOffError, ModelUnavailableError, TokenRoleError

if TYPE_CHECKING:
    from service.access.tokens import Tokens

_BEARER = HTTPBearer(auto_error=False, description="one of FOVEA_MANAGEMENT_TOKENS")


async def authorized(request: Request, sent: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]) -> None:
    """Raises ManagementOffError without any token set, InvalidTokenError and TokenRoleError by what was sent."""
    tokens: Tokens = request.app.state.entrance.tokens
    if not tokens.wanted("management"):
        raise ManagementOffError
    holder = tokens.holder(sent.credentials.encode()) if sent else None
    if holder is None:
        raise InvalidTokenError(sent=sent is not None)
    facts_of(request).token = holder.name
    if holder.role != "management":
        raise TokenRoleError


async def watcher_of(request: Request, services: AllServices) -> Watcher:
    watcher = cast("Watcher | None", request.app.state.watcher)
    if watcher is None:
        raise ModelUnavailableError(
            request.path_params.get("model", "*"), f"nothing can run: {services.device_problem}"
        )
    return watcher


async def everywhere(request: Request, services: Services, change: Callable[[], None]) -> None:
    """Makes the change in this worker, off the event loop, and by the same request in all others.

    In all of them also where the client has left meanwhile: they answer alike.
    """
    await request.body()  # the others get it, and a client that has left can no longer be asked for it
    changing = asyncio.create_task(_changed(request, services, change))
    try:
        await asyncio.shield(changing)
    except asyncio.CancelledError:
        await asyncio.gather(changing, return_exceptions=True)
        raise


async def _changed(request: Request, services: Services, change: Callable[[], None]) -> None:
    await asyncio.to_thread(change)
    await services.workers.peers.repeat(request)


TheWatcher = Annotated[Watcher, Depends(watcher_of)]
Version = Annotated[str, Depends(named_version)]


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    described = problems(401, 404, 422, 503)
    off = "switched off: no token is set; or the token is for inference"
    described[403] = {**described[503], "description": off}
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
