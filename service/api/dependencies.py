"""What routes ask for: the services that `app` wired, and the classifier that a path names."""

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar, cast

from fastapi import Depends, Path, Request

from service.api.facts import facts_of
from service.api.live_sampler import Sampler
from service.api.peers import Peers
from service.connections.draining import Draining
from service.engine.classifier import Classifier
from service.engine.decoders import Decoders
from service.engine.devices import Device
from service.engine.registry import Registry
from service.engine.scheduler import Scheduler
from service.errors import DeadlineExceededError, InvalidParameterError, shown
from service.inspector.client import Inspector
from service.settings import Settings

Result = TypeVar("Result")


@dataclass(frozen=True)
class Workers:
    """How many processes serve this port, and how to reach the others."""

    count: int = 1
    peers: Peers = field(default_factory=Peers)


@dataclass(frozen=True)
class Services:
    """Everything a route may use; made once, by `app`."""

    settings: Settings
    workers: Workers
    device: Device | None
    device_problem: str | None
    registry: Registry
    scheduler: Scheduler
    inspector: Inspector
    sampler: Sampler | None  # None: no image is sampled
    decoders: Decoders
    decoder_threads: int
    draining: Draining

    async def run(self, executor: Executor, work: Callable[[], Result]) -> Result:
        """Blocking work off the event loop; raises DeadlineExceededError after the request timeout."""
        seconds = self.settings.request_timeout_seconds
        try:
            return await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(executor, work), seconds)
        except TimeoutError:
            raise DeadlineExceededError(seconds) from None

    async def ask(self, work: Callable[..., Result], *args: Any) -> Result:
        """Work on the inside of networks, by the inspector: see `Inspector.ask`. Ends after the request timeout."""
        answer: Result = await self.inspector.ask(work, *args, seconds=self.settings.request_timeout_seconds)
        return answer


async def services_of(request: Request) -> Services:
    return cast("Services", request.app.state.services)


AllServices = Annotated[Services, Depends(services_of)]
ModelName = Annotated[str, Path(description="name of the model", examples=["mnist"])]


async def unambiguous_query(request: Request) -> None:
    """Raises InvalidParameterError where a parameter is given twice: which of them would count is anybody's guess."""
    given = request.query_params
    if len(given.multi_items()) > len(given):
        times = Counter(name for name, _ in given.multi_items())
        name = next(name for name in times if times[name] > 1)
        raise InvalidParameterError(shown(name)[1:-1], given.getlist(name)[:4], "give it once")


async def named_version(version: Annotated[str, Path(description="version of the model", examples=["1"])]) -> str:
    """Declares `{version}` where a path has it."""
    return version


async def named_classifier(request: Request, services: AllServices, model: ModelName) -> Classifier:
    """The classifier of the path: of its version where it names one, else the default."""
    classifier = services.registry.classifier(model, request.path_params.get("version"))
    facts_of(request).of(classifier)
    return classifier


NamedClassifier = Annotated[Classifier, Depends(named_classifier)]
