"""Which models this replica holds: few of many, each loaded by the first request for it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import cast

from fastapi import FastAPI
from ray import serve
from starlette.types import ASGIApp, Receive, Scope, Send

from service.cluster.routing import model_of
from service.engine.registry import Registry
from service.engine.watching import Watcher
from service.errors import FoveaError, ModelFileError

Hold = Callable[[str], Awaitable[object]]


class OnDemand:
    """Sees that the model of a request is loaded before the application is asked. Stands before everything else."""

    def __init__(self, app: ASGIApp, service: FastAPI, hold: Hold) -> None:
        self._app, self._service, self._hold = app, service, hold

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = model_of(scope)
        if name is not None and _can_be_held(name, self._service.state.services.registry):
            with suppress(FoveaError):  # the application says what is wrong with the model
                await self._hold(name)
        await self._app(scope, receive, send)


def holder(service: FastAPI, most: int) -> Hold:
    """What loads a model where it is not, and gives back the one not asked for longest where there are `most`.

    Raises ModelFileError where no version can be loaded.
    """

    @serve.multiplexed(max_num_models_per_replica=most)  # type: ignore[untyped-decorator]
    async def held(name: str) -> _Held:
        watcher: Watcher = service.state.watcher
        await asyncio.to_thread(_load, watcher, service.state.services.registry, name)
        return _Held(watcher, name)

    return cast("Hold", held)


class _Held:
    """A model while this replica holds it. Ray Serve calls `__del__` to end that, and Python does once more."""

    def __init__(self, watcher: Watcher, name: str) -> None:
        self._watcher, self._name, self._is_held = watcher, name, True

    def __del__(self) -> None:
        if self._is_held:
            self._is_held = False
            with suppress(FoveaError):  # it has left the repository
                self._watcher.give_back(self._name)


def _load(watcher: Watcher, registry: Registry, name: str) -> None:
    try:
        watcher.load(name)
    except ModelFileError:
        if all(slot.classifier is None for slot in registry.slots(name)):
            raise


def _can_be_held(name: str, registry: Registry) -> bool:
    """Only what is in the repository, since names that clients invent must not push models out; and no refused file,
    which every request would try again.
    """
    return name in registry.names() and any(slot.state in {"ready", "loading"} for slot in registry.slots(name))
