"""The repository extension of the Open Inference Protocol V2: the index, and load and unload for who has a token.

Only what lies in the repository can be loaded: no request brings a file, a configuration or a path.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, TypeVar

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ValidationError

from service.api import protocol_models
from service.api.dependencies import AllServices, ModelName
from service.api.management import TheWatcher, authorized, everywhere
from service.errors import InvalidParameterError, MalformedBodyError, shown

router = APIRouter(prefix="/repository", include_in_schema=False)

_NO_FILES = "no request brings a file or its configuration: put the file into the repository, then load it"
_NO_PARAMETERS = "load takes no parameters: it loads every version of the model that lies in the repository"


class IndexRequest(BaseModel):
    ready: bool = False


class ControlRequest(BaseModel):
    parameters: dict[str, Any] | None = None


Sent = TypeVar("Sent", IndexRequest, ControlRequest)


@router.post("/index")
async def index(request: Request, services: AllServices) -> list[dict[str, str]]:
    """Every version and its state."""
    asked = await _sent(request, IndexRequest, '{"ready": true}')
    slots = services.registry.all_slots()
    return protocol_models.index([slot for slot in slots if slot.classifier or not asked.ready])


@router.post("/models/{model}/load", dependencies=[Depends(authorized)])
async def load(request: Request, services: AllServices, watcher: TheWatcher, model: ModelName) -> dict[str, str]:
    """Every version of the model that lies in the repository; answers when that is done."""
    asked = await _sent(request, ControlRequest, '{"parameters": {}}')
    _check_load(asked.parameters or {})
    await everywhere(request, services, partial(watcher.load, model))
    return {}


@router.post("/models/{model}/unload", dependencies=[Depends(authorized)])
async def unload(request: Request, services: AllServices, watcher: TheWatcher, model: ModelName) -> dict[str, str]:
    """All versions; their files stay."""
    asked = await _sent(request, ControlRequest, '{"parameters": {"unload_dependents": false}}')
    _check_unload(asked.parameters or {})
    await everywhere(request, services, partial(watcher.unload, model))
    return {}


async def _sent(request: Request, form: type[Sent], example: str) -> Sent:
    """The body; an empty one, which some clients send, asks for nothing special."""
    try:
        return form.model_validate_json(await request.body() or b"{}")
    except ValidationError as error:
        raise MalformedBodyError("the body cannot be read", f"send nothing, or {example}") from error


def _check_load(parameters: Mapping[str, Any]) -> None:
    for name, value in parameters.items():
        brings = name == "config" or name.startswith("file:")
        raise InvalidParameterError(_named(name), value, _NO_FILES if brings else _NO_PARAMETERS)


def _check_unload(parameters: Mapping[str, Any]) -> None:
    """`unload_dependents` may be either: no model here depends on another."""
    for name, value in parameters.items():
        if name != "unload_dependents":
            raise InvalidParameterError(_named(name), value, "unload takes unload_dependents only")
        if not isinstance(value, bool):
            raise InvalidParameterError(_named(name), value, "use true or false")


def _named(name: str) -> str:
    return shown(name)[1:-1]
