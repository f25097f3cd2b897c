"""`python -m service serve` once everything is imported: one process, or several that share the port.

Knows uvicorn, the sockets and the settings; `app` knows the rest.
"""

import gc
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

import uvicorn
from fastapi import FastAPI

from service.api.dependencies import Workers
from service.api.express import express_protocol
from service.api.peers import Peers
from service.app import create_app
from service.connections.bounds import BODIES_BYTES, TURNED_AWAY, Bounds
from service.connections.draining import DrainingServer
from service.connections.listener import welcome
from service.connections.open_files import room_for
from service.connections.shares import Shares
from service.engine.cells import Cells
from service.engine.cpus import available_cpus
from service.engine.devices import shows_gpu
from service.engine.repository import readable_files, stamp
from service.engine.shared_trial import SharedTrial
from service.engine.trial import EarlyTrial, verdicts
from service.errors import NoTemporaryFolderError, PortUnavailableError
from service.logs import Log, configure
from service.settings import Settings
from service.workers import listening_sockets, supervise

# Python is the bottleneck of networks so small; each worker holds every network in its own memory.
_TINY_BYTES = 16 * 2**20
_MOST_WORKERS = 8
_TRIAL_SECONDS = 5.0  # then the workers start, and one of them tries what is not decided by then

# How long a thread that computes in Python keeps the interpreter from others. With Python's 5 ms a worker that loads
# a model answers two hundred requests a second: after each run it waits that long for its turn.
_TURN_SECONDS = 0.0005

log = logging.getLogger("fovea")


def serve(settings: Settings, trial: EarlyTrial) -> int:
    """Answers until it is told to stop; the exit code. Raises PortUnavailableError and NoTemporaryFolderError."""
    written = configure(settings.log_level)
    count, reason = workers(settings)
    log.info("%d worker%s: %s", count, "" if count == 1 else "s", reason)
    try:
        listeners = listening_sockets(settings.host, settings.port, count)
    except OSError as error:
        raise PortUnavailableError(settings.host, settings.port, error.strerror or str(error)) from error
    if count == 1:
        app = create_app(settings, trial, write=written.write)
        gc.freeze()
        return _run(app, [listeners[0]], Shares())
    return _several(settings, trial, listeners, written)


def workers(settings: Settings) -> tuple[int, str]:
    """How many processes serve these settings best, and why."""
    if settings.workers is not None:
        return settings.workers, "as asked for"
    if settings.provider == "cuda" or (settings.provider == "auto" and shows_gpu()):
        return 1, "one process drives the GPU"
    if sys.platform != "linux":
        return 1, "only Linux shares the connections to one port out"
    stamps = map(stamp, readable_files(settings.models))
    total = sum(file.size_bytes for file in stamps if file is not None)
    if total > _TINY_BYTES:
        return 1, f"the model files have {total / 2**20:.0f} MiB, so one process runs them on all CPUs"
    return min(available_cpus(), _MOST_WORKERS), f"the model files have {total / 2**20:.1f} MiB, so Python is the limit"


def _several(settings: Settings, trial: EarlyTrial, listeners: Sequence[socket.socket], written: Log) -> int:
    cells, shares = Cells(len(listeners)), Shares(len(listeners))
    folder = _own_folder()
    # Bound before the fork, as the listeners are: who takes a dead worker's place needs nothing of the disk.
    own_sockets = [_own_socket(_address(folder, index)) for index in range(len(listeners))]
    app = create_app(
        settings,
        trial.within(_TRIAL_SECONDS, SharedTrial() if sys.platform == "linux" else verdicts),
        cells,
        written.write,
    )
    gc.freeze()

    def work(index: int) -> int:
        cells.become(index)
        shares.become(index)
        peers = [_address(folder, other) for other in range(len(listeners)) if other != index]
        for other, inherited in enumerate(zip(listeners, own_sockets, strict=True)):
            if other != index:  # else they would stay open, unheard, once their worker has ended
                for one in inherited:
                    one.close()
        app.state.workers = Workers(len(listeners), Peers(peers))
        return _run(app, [listeners[index], own_sockets[index]], shares)

    def ended(index: int) -> None:
        cells.end(index)
        shares.ended(index)

    def stopping() -> None:
        for one in (*listeners, *own_sockets):
            one.close()

    try:
        return supervise(len(listeners), work, ended, stopping)
    finally:
        shutil.rmtree(folder)


def _run(app: FastAPI, sockets: list[socket.socket], shares: Shares) -> int:
    settings: Settings = app.state.settings
    config = uvicorn.Config(
        app,
        http=express_protocol(app, _bounds(settings), shares),
        ws="none",
        server_header=False,
        proxy_headers=False,  # `api.guards.BehindProxy` believes those that the settings name, uvicorn this machine
        access_log=False,
        log_config=None,
        timeout_keep_alive=settings.keep_alive_seconds,  # type: ignore[arg-type]  # given to the loop's call_later
        timeout_graceful_shutdown=30,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stopped)  # uvicorn drains first, then raises the signal again
    for one in sockets:
        welcome(one, 3 * settings.client_timeout_seconds)
    sys.setswitchinterval(_TURN_SECONDS)
    server = DrainingServer(config, app.state.draining, settings.drain_seconds, partial(_beat, app, shares))
    server.run(sockets)
    return 0 if server.started else 1


def _beat(app: FastAPI, shares: Shares) -> None:
    """Says to the other workers whether this one answers as they do, or loads, or leaves."""
    if app.state.draining.active:
        shares.leave()
    elif app.state.services.scheduler.statistics.all_started():
        shares.beat(time.monotonic())


def _bounds(settings: Settings) -> Bounds:
    connections, turned_away = room_for(settings.max_connections, TURNED_AWAY)
    if connections < settings.max_connections:
        log.warning("at most %d connections: the limit of open files allows no more", connections)
    bodies = max(BODIES_BYTES, 2 * settings.max_body_bytes)
    return Bounds(settings.client_timeout_seconds, connections, turned_away, bodies)


def _own_folder() -> Path:
    """For the sockets over which the workers reach each other."""
    try:
        return Path(tempfile.mkdtemp(prefix="fovea-"))
    except OSError as error:
        raise NoTemporaryFolderError(error.strerror or str(error)) from error


def _address(folder: Path, index: int) -> Path:
    return folder / f"{index}.sock"


def _own_socket(address: Path) -> socket.socket:
    """Where the other workers reach one of them."""
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    one.bind(str(address))
    return one


def _stopped(_signal: int, _frame: object) -> NoReturn:
    """Not `sys.exit`: a model that is still loading is a thread in native code, which must not meet the interpreter's
    end.
    """
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)
