"""One replica: the application as it is, which counts for all and is ready before it is asked."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import ray
from fastapi import FastAPI
from ray import serve
from ray.exceptions import RayError

from service.api.dependencies import Services, Workers
from service.app import create_app
from service.cluster.ledger import Counted, Ledger
from service.cluster.placement import OnDemand, holder
from service.engine.cells import Cells, together
from service.engine.cpus import available_cpus
from service.errors import ModelUnavailableError, PeerFailedError
from service.logs import configure
from service.settings import Settings

_REPORT_SECONDS = 1.0
_LEDGER_SECONDS = 5.0  # Prometheus itself gives up after 10
_LEDGER_START_SECONDS = 300.0  # the first replica has the ledger's process started
_LOOK_SECONDS = 0.1


def replica(settings: Settings, cpus: int, models: int | None) -> FastAPI:
    """The application for one replica of `cpus` CPUs that holds `models` models at most; None: all of the repository.

    To be called in the process of the replica.
    """
    written = configure(settings.log_level)
    cells = Cells()
    app = create_app(settings, cells=cells, write=written.write)
    app.state.workers = Workers(count=max(1, available_cpus() // cpus))
    app.state.on_demand = models is not None
    shared = _Shared(cells)
    app.state.gather_cells = shared.gathered
    app.router.lifespan_context = _started(app.router.lifespan_context, shared)
    if models is not None:
        app.add_middleware(OnDemand, service=app, hold=holder(app, models))
    return app


class _Shared:
    """What a replica reports and reads of what all of them counted."""

    def __init__(self, cells: Cells) -> None:
        context = serve.get_replica_context()
        self._owner, self._cells = context.replica_tag, cells
        options = {"name": f"fovea-ledger-{context.app_name}", "get_if_exists": True, "lifetime": "detached"}
        self._ledger: Any = ray.remote(Ledger).options(num_cpus=0, max_restarts=-1, **options).remote()

    async def join(self) -> None:
        if counted := await self._asked(self._ledger.join.remote(self._owner), _LEDGER_START_SECONDS):
            self._cells.go_on(counted)

    async def report(self) -> None:
        """Until it is cancelled. A report that is lost is made up for by the next."""
        while True:
            with suppress(PeerFailedError):
                await self._asked(self._ledger.report.remote(self._owner, self._cells.counted()))
            await asyncio.sleep(_REPORT_SECONDS)

    async def leave(self) -> None:
        with suppress(PeerFailedError):
            await self._asked(self._ledger.leave.remote(self._owner, self._cells.counted()))

    async def gathered(self) -> Cells:
        """All that was counted. Raises PeerFailedError rather than to answer with less: counters must not fall."""
        others: Counted = await self._asked(self._ledger.others.remote(self._owner))
        return together([self._cells.counted(), *others.living], others.ended)

    async def _asked(self, answer: Any, seconds: float = _LEDGER_SECONDS) -> Any:
        try:
            return await asyncio.wait_for(answer, seconds)
        except (RayError, TimeoutError) as error:
            raise PeerFailedError(f"that keeps the counters does not answer: {type(error).__name__}") from error


def _started(lifespan: Callable[[FastAPI], Any], shared: _Shared) -> Callable[[FastAPI], Any]:
    """The application's own start and stop; between them it is ready, and reports what it counts."""

    @asynccontextmanager
    async def started(app: FastAPI) -> AsyncIterator[None]:
        await shared.join()
        async with lifespan(app):
            await _ready(app.state.services)
            reporting = asyncio.create_task(shared.report())
            yield
            reporting.cancel()
            await shared.leave()

    return started


async def _ready(services: Services) -> None:
    """Returns once what there is is loaded. Raises where nothing can answer: then a rolling update ends here."""
    while not (services.device_problem or services.scheduler.statistics.all_started()):  # noqa: ASYNC110 - by a thread
        await asyncio.sleep(_LOOK_SECONDS)
    registry = services.registry
    states = {slot.state for slot in registry.all_slots()}
    if problem := services.device_problem or registry.problem:
        raise ModelUnavailableError("*", problem)
    if "ready" not in states:
        refused = [f"{slot.entry.name} {slot.entry.version}: {slot.reason}" for slot in registry.all_slots()]
        raise ModelUnavailableError("*", "; ".join(refused) or f"{services.settings.models} holds no model")
