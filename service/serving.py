"""`python -m service serve` once everything is imported: one process, or several that share the port.

Knows uvicorn, the sockets and the settings; `app` knows the rest.
"""

import gc
import logging
import shutil
import socket
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from service.engine.devices import available_cpus, shows_gpu
from service.engine.repository import listing
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
        sockets = listening_sockets(settings.host, settings.port, count)
    except OSError as error:
        raise PortUnavailableError(settings.host, settings.port, error.strerror or str(error)) from error
    gc.collect()
    gc.freeze()
    gc.enable()
    return _one(settings, trial, sockets) if count == 1 else _several(settings, trial, sockets)


def workers(settings: Settings) -> tuple[int, str]:
    """How many processes serve these settings best, and why."""
    if settings.workers is not None:
        return settings.workers, "as asked for"
    if settings.provider == "cuda" or (settings.provider == "auto" and shows_gpu()):
        return 1, "one process drives the GPU"
    total = sum(entry.path.stat().st_size for entry in listing(settings.models).entries)
    if total > _TINY_BYTES:
        return 1, f"the model files have {total / 2**20:.0f} MiB, so one process runs them on all CPUs"
    return min(available_cpus(), _MOST_WORKERS), f"the model files have {total / 2**20:.1f} MiB, so Python is the limit"


def _one(settings: Settings, trial: EarlyTrial, sockets: Sequence[socket.socket]) -> int:
    return _run(settings, trial, sockets)


def _several(settings: Settings, trial: EarlyTrial, sockets: Sequence[socket.socket]) -> int:
    folder = Path(tempfile.mkdtemp(prefix="fovea-"))
    known = trial.within(_TRIAL_SECONDS)
    try:
        return supervise(len(sockets), partial(_worker, settings, known, sockets, folder))
    finally:
        shutil.rmtree(folder)
