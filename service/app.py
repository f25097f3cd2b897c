"""The service put together: wiring, start and stop. Knows every other module; no other module knows it."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi_offline import FastAPIOffline
from starlette.middleware import Middleware

from service import __version__
from service.api import (
    calculator,
    class_activation,
    classify,
    compare,
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
    unit,
)
from service.api.departure import ClientDeparture
from service.api.dependencies import Services, Workers, named_version
from service.api.fast_lane import FastLane
from service.api.guards import BodyLimit, ProxyPrefix, RequestIdentity
from service.api.http_counts import Counted, HttpCounts
from service.api.live_sampler import Sampler
from service.api.openapi import describe_problems
from service.api.problems import EXCEPTION_HANDLERS
from service.engine.cells import Cells
from service.engine.cpus import available_cpus
from service.engine.devices import Device, chosen_device, refuse_two_runtimes
from service.engine.registry import Registry
from service.engine.scheduler import Scheduler
from service.engine.statistics import Statistics
from service.engine.trial import verdicts
from service.engine.watching import Trial, Watcher
from service.errors import ProviderUnavailableError
from service.inspector.client import Inspector
from service.settings import Settings

log = logging.getLogger("fovea")


def create_app(settings: Settings, trial: Trial = verdicts, cells: Cells | None = None) -> FastAPI:
    """The application. Models load in the background once it starts; /health/ready says when they answer.

    `trial` is who judges a model file before it is loaded here. `cells` are what this application counts into, where
    several processes serve it together; else it has its own, so two applications never see each other's counts.
    """
    refuse_two_runtimes()
    cells = cells or Cells()
    http_counts = HttpCounts(cells)
    app: FastAPI = FastAPIOffline(
        title="Fovea",
        version=__version__,
        summary="Classifies images with CNNs and shows what every layer sees",
        redoc_url=None,
        lifespan=_lifespan,
        generate_unique_id_function=_operation_id,
        middleware=[
            Middleware(ClientDeparture),
            Middleware(RequestIdentity),
            Middleware(ProxyPrefix, prefix=settings.root_path),
            Middleware(Counted, counts=http_counts),
            Middleware(BodyLimit, max_bytes=settings.max_body_bytes),
            Middleware(FastLane),
        ],
        exception_handlers=EXCEPTION_HANDLERS,
    )
    app.state.settings, app.state.trial, app.state.cells, app.state.http_counts = settings, trial, cells, http_counts
    app.state.workers = Workers()
    for router in (
        page.router,
        health.router,
        metrics.router,
        models.router,
        management.router,
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
    describe_problems(app)
    return app


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
    services = _services(app.state.settings, app.state.workers, Statistics(app.state.cells))
    app.state.services = services
    app.state.watcher = _watcher(services, app.state.trial)
    stop = threading.Event()
    sampling = asyncio.create_task(services.sampler.follow(services.ask)) if services.sampler else None
    following = _follow(app.state.watcher, services.settings.poll_seconds, stop)
    yield
    stop.set()
    if sampling is not None:
        sampling.cancel()
    await asyncio.to_thread(following.join)  # a load under way ends first
    await asyncio.to_thread(services.scheduler.close)
    services.decoders.shutdown()
    await asyncio.to_thread(services.inspector.close)


def _services(settings: Settings, workers: Workers, statistics: Statistics) -> Services:
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
        sampler=Sampler(settings.live_share) if settings.live_share else None,
        decoders=ThreadPoolExecutor(cpus, thread_name_prefix="decoder"),
        decoder_threads=cpus,
    )


def _device(settings: Settings, cpus: int) -> tuple[Device | None, str | None]:
    try:
        return chosen_device(settings.provider, settings.threads, cpus=cpus, cuda_graphs=settings.cuda_graphs), None
    except ProviderUnavailableError as error:
        return None, str(error)


def _watcher(services: Services, trial: Trial) -> Watcher | None:
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
    )


def _follow(watcher: Watcher | None, poll_seconds: float, stop: threading.Event) -> threading.Thread:
    """A thread of its own, a daemon: an event loop that is cut off would wait for one of its threads for ever."""
    target = watcher.follow if watcher is not None else lambda *_: None
    thread = threading.Thread(target=target, args=[poll_seconds, stop], name="watcher", daemon=True)
    thread.start()
    return thread
