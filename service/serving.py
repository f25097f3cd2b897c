"""`python -m service serve` once everything is imported: one process, or several that share the port.

Knows uvicorn, the sockets and the settings; `app` knows the rest.
"""

import gc
import logging
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import uvicorn
from fastapi import FastAPI

from service.api.dependencies import Workers
from service.api.express import express_protocol
from service.api.peers import Peers
from service.app import create_app
from service.engine.cells import Cells
from service.engine.cpus import available_cpus
from service.engine.devices import shows_gpu
from service.engine.repository import listing, stamp
from service.engine.trial import EarlyTrial
from service.errors import PortUnavailableError
from service.settings import Settings
from service.workers import listening_sockets, supervise

# Python is the bottleneck of networks so small; each worker holds every network in its own memory.
_TINY_BYTES = 16 * 2**20
_MOST_WORKERS = 8
_TRIAL_SECONDS = 5.0  # then the workers start, and try for themselves what is not decided by then

log = logging.getLogger("fovea")


def serve(settings: Settings, trial: EarlyTrial) -> int:
    """Answers until it is told to stop; the exit code. Raises PortUnavailableError."""
    logging.basicConfig(level=settings.log_level.upper(), format="%(levelname)s:     %(message)s")
    count, reason = workers(settings)
    log.info("%d worker%s: %s", count, "" if count == 1 else "s", reason)
    try:
        listeners = listening_sockets(settings.host, settings.port, count)
    except OSError as error:
        raise PortUnavailableError(settings.host, settings.port, error.strerror or str(error)) from error
    return _one(settings, trial, listeners[0]) if count == 1 else _several(settings, trial, listeners)


def workers(settings: Settings) -> tuple[int, str]:
    """How many processes serve these settings best, and why."""
    if settings.workers is not None:
        return settings.workers, "as asked for"
    if settings.provider == "cuda" or (settings.provider == "auto" and shows_gpu()):
        return 1, "one process drives the GPU"
    if sys.platform != "linux":
        return 1, "only Linux shares the connections to one port out"
    stamps = (stamp(entry.path) for entry in listing(settings.models).entries)
    total = sum(file.size_bytes for file in stamps if file is not None)
    if total > _TINY_BYTES:
        return 1, f"the model files have {total / 2**20:.0f} MiB, so one process runs them on all CPUs"
    return min(available_cpus(), _MOST_WORKERS), f"the model files have {total / 2**20:.1f} MiB, so Python is the limit"


def _one(settings: Settings, trial: EarlyTrial, listener: socket.socket) -> int:
    return _run(create_app(settings, trial), [listener])


def _several(settings: Settings, trial: EarlyTrial, listeners: Sequence[socket.socket]) -> int:
    cells = Cells(len(listeners))
    folder = Path(tempfile.mkdtemp(prefix="fovea-"))
    app = create_app(settings, trial.within(_TRIAL_SECONDS), cells)
    gc.freeze()

    def work(index: int) -> int:
        cells.become(index)
        peers = [_address(folder, other) for other in range(len(listeners)) if other != index]
        app.state.workers = Workers(len(listeners), Peers(peers))
        return _run(app, [listeners[index], _own_socket(_address(folder, index))])

    try:
        return supervise(len(listeners), work, cells.release)
    finally:
        shutil.rmtree(folder)


def _run(app: FastAPI, sockets: list[socket.socket]) -> int:
    config = uvicorn.Config(
        app,
        http=express_protocol(app),
        ws="none",
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=30,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stopped)  # uvicorn drains first, then raises the signal again
    server = uvicorn.Server(config)
    server.run(sockets)
    return 0 if server.started else 1


def _address(folder: Path, index: int) -> Path:
    return folder / f"{index}.sock"


def _own_socket(address: Path) -> socket.socket:
    """Where the other workers reach this one; a file that an ended process left is replaced."""
    address.unlink(missing_ok=True)
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    one.bind(str(address))
    return one


def _stopped(_signal: int, _frame: object) -> NoReturn:
    sys.exit(0)
