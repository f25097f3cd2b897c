"""The service put together: wiring, start and stop. Knows every other module; no other module knows it."""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from starlette.middleware import Middleware

from service import __version__
from service.api import (
    calculator,
    class_activation,
    classify,
    compare,
    documentation,
    feature_maps,
    filters,
    health,
    inference_protocol,
    layer_shapes,
    live_statistics,
    management,
    metrics,
    models,
    page,
    received,
    shift,
    tracing,
    unit,
)
from service.api.departure import ClientDeparture
from service.api.dependencies import Services, Workers, named_version, unambiguous_query
from service.api.entrance import Entrance, Guarded, describe_entrance
from service.api.fast_lane import FastLane
from service.api.guards import BehindProxy, BodyLimit, RequestIdentity
from service.api.http_counts import HttpCounts
from service.api.ledger import Ledger, Recorded
from service.api.live_sampler import Sampler
from service.api.openapi import describe_problems
from service.api.problems import EXCEPTION_HANDLERS
from service.api.sharing import sharing
from service.connections.draining import Draining
from service.engine.cells import Cells
from service.engine.cpus import available_cpus
from service.engine.decoders import Decoders
from service.engine.devices import Device, chosen_device, refuse_two_runtimes
from service.engine.registry import Registry
from service.engine.scheduler import Scheduler
from service.engine.statistics import Statistics
from service.engine.trial import verdicts
from service.engine.watching import Trial, Watcher
from service.errors import ProviderUnavailableError
from service.inspector.client import Inspector
from service.settings import Settings

_LOAD_ENDS_SECONDS = 2.0  # for a load that is under way when the service stops
_OTHERS_ANSWER_SECONDS = 3.0  # until a worker that was started again takes requests without its models

log = logging.getLogger("fovea")


def create_app(
    settings: Settings,
    trial: Trial = verdicts,
    cells: Cells | None = None,
    write: Callable[[bytes], None] | None = None,
) -> FastAPI:
    """The application. Models load in the background once it starts; /health/ready says when they answer.

    `trial` is who judges a model file before it is loaded here. `cells` are what this application counts into, where
    several processes serve it together; else it has its own, so two applications never see each other's counts.
    `write` takes the log's line of each request. Raises TokensUnusableError.
    """
    refuse_two_runtimes()
    if settings.otlp_endpoint:
        tracing.check()
    cells = cells or Cells()
    ledger, entrance = Ledger(HttpCounts(cells), write), Entrance(settings)
    app = FastAPI(
        title="Fovea",
        version=__version__,
        summary="Classifies images with CNNs and shows what every layer sees",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,  # a redirect would name the Host that the client sent
        dependencies=[Depends(unambiguous_query)],
        lifespan=_lifespan,
        generate_unique_id_function=_operation_id,
        middleware=_middleware(settings, ledger, entrance),
        exception_handlers=EXCEPTION_HANDLERS,
    )
    app.state.settings, app.state.trial, app.state.cells = settings, trial, cells
    app.state.ledger, app.state.entrance = ledger, entrance
    app.state.workers, app.state.draining = Workers(), Draining()
    app.state.gather_cells = None  # who serves with processes on several machines says how to get what all counted
    app.state.on_demand = False
    if settings.docs:
        documentation.serve(app)
    _include_routers(app, settings)
    describe_problems(app)
    if entrance.asks:
        describe_entrance(app, entrance)
    return app


def _middleware(settings: Settings, ledger: Ledger, entrance: Entrance) -> list[Middleware]:
    """Outermost first."""
    return [
        Middleware(ClientDeparture),
        Middleware(RequestIdentity),
        Middleware(BehindProxy, prefix=settings.root_path, proxies=entrance.proxies),
        Middleware(Recorded, ledger=ledger),
        Middleware(page.PrefixRoot, prefix=settings.root_path),
        *sharing(settings),
        Middleware(Guarded, entrance=entrance),
        Middleware(BodyLimit, max_bytes=settings.max_body_bytes),
        Middleware(FastLane),
    ]


def _include_routers(app: FastAPI, settings: Settings) -> None:
    for router in (
        page.router,
        health.router,
        *([metrics.router] if settings.metrics else []),
        management.router,  # before models: a wrong method under /v1/models/reload names the method of that path
        models.router,
        calculator.router,
        inference_protocol.router,
    ):
        app.include_router(router)
    _include_on_models(
        app,
        classify.router,
        feature_maps.router,
        received.router,
        layer_shapes.router,
        compare.router,
        shift.router,
        filters.router,
        unit.router,
        live_statistics.router,
        class_activation.router,
    )


def _include_on_models(app: FastAPI, *routers: APIRouter) -> None:
    """Each route of a model stands twice: for its default version, and for a named one."""
    versioned = "/v1/models/{model}/versions/{version}"
    for router in routers:
        app.include_router(router, prefix="/v1/models/{model}")
        app.include_router(router, prefix=versioned, dependencies=[Depends(named_version)])


def _operation_id(route: Any) -> str:  # APIRoute, or what FastAPI puts in its place where a router is included
    return f"{route.name}_of_version" if "{version}" in route.path_format else str(route.name)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    services = _services(app.state.settings, app.state.workers, Statistics(app.state.cells), app.state.draining)
    app.state.services = services
    traces = _tracing(app.state.settings, services.scheduler)
    app.state.ledger.tracing = traces
    app.state.watcher = _watcher(services, app.state.trial, on_demand=app.state.on_demand)
    stop = threading.Event()
    sampling = asyncio.create_task(services.sampler.follow(services.ask)) if services.sampler else None
    following = _follow(app.state.watcher, services.settings.poll_seconds, stop)
    rotating = asyncio.create_task(app.state.entrance.follow_files())
    if app.state.cells is not None and app.state.cells.ended():
        await _until_as_good_as_the_others(services)
    yield
    stop.set()
    rotating.cancel()
    if sampling is not None:
        sampling.cancel()
    await asyncio.to_thread(following.join, _LOAD_ENDS_SECONDS)
    if following.is_alive():
        log.warning("a model is still loading, and is left to itself")
    await asyncio.to_thread(services.scheduler.close)
    services.decoders.shutdown()
    await asyncio.to_thread(services.inspector.close)
    if traces is not None:
        await asyncio.to_thread(traces.close)


async def _until_as_good_as_the_others(services: Services) -> None:
    """A worker that takes a dead one's place answers nobody before it has loaded what the others answer with: who
    connects meanwhile waits. Models that take long are not waited for.
    """
    end = time.monotonic() + _OTHERS_ANSWER_SECONDS
    while not services.scheduler.statistics.all_started() and time.monotonic() < end:  # noqa: ASYNC110 - of all processes
        await asyncio.sleep(0.01)


def _tracing(settings: Settings, scheduler: Scheduler) -> tracing.Tracing | None:
    if not settings.otlp_endpoint:
        return None
    traces = tracing.Tracing(settings.otlp_endpoint)
    scheduler.watch = traces.ran
    return traces


def _services(settings: Settings, workers: Workers, statistics: Statistics, draining: Draining) -> Services:
    cpus = max(1, available_cpus() // workers.count)
    device, problem = _device(settings, cpus)
    return Services(
        settings=settings,
        workers=workers,
        device=device,
        device_problem=problem,
        registry=Registry(),
        scheduler=Scheduler(
            executors=len(device.executors) if device else 1,
            max_batch=settings.max_batch,
            max_waiting=settings.max_waiting_images,
            statistics=statistics,
        ),
        inspector=Inspector(settings.prefix_cache_bytes),
        sampler=Sampler(settings.live_share, statistics) if settings.live_share else None,
        decoders=Decoders(cpus, settings.request_timeout_seconds),
        decoder_threads=cpus,
        draining=draining,
    )


def _device(settings: Settings, cpus: int) -> tuple[Device | None, str | None]:
    try:
        return chosen_device(settings.provider, settings.threads, cpus=cpus, cuda_graphs=settings.cuda_graphs), None
    except ProviderUnavailableError as error:
        return None, str(error)


def _watcher(services: Services, trial: Trial, *, on_demand: bool) -> Watcher | None:
    """None where nothing can run: then nothing is loaded, and /health/ready says why."""
    if services.device is None:
        log.error("no model is loaded: %s", services.device_problem)
        return None
    log.info("inference runs on %s: %s", services.device.provider, services.device.reason)
    return Watcher(
        services.settings.models,
        services.registry,
        services.device,
        trial,
        services.scheduler.statistics,
        services.settings.max_batch,
        on_demand=on_demand,
    )


def _follow(watcher: Watcher | None, poll_seconds: float, stop: threading.Event) -> threading.Thread:
    """A thread of its own, a daemon: an event loop that is cut off would wait for one of its threads for ever.

    What there is has been announced before the first request: of a worker that was just started again too.
    """
    if watcher is not None:
        watcher.announce()
    target = watcher.follow if watcher is not None else lambda *_: None
    thread = threading.Thread(target=target, args=[poll_seconds, stop], name="watcher", daemon=True)
    thread.start()
    return thread
