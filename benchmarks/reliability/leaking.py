"""python -m benchmarks.reliability.leaking serve ...: the service with leaks, to be caught by who looks for them.

Each request that any door answers loses 1 KiB, and each 200th a file, its descriptor and a thread.
"""

import itertools
import sys
import tempfile
import threading
from typing import Any

from fastapi import FastAPI

from service import __main__, serving
from service.connections.bounds import Bounds
from service.connections.shares import Shares

KIB_A_REQUEST = 1
_EVERY = 200

_lost: list[object] = []
_numbers = itertools.count(1)
_honest = serving.express_protocol


def _leak() -> None:
    _lost.append(bytearray(1024 * KIB_A_REQUEST))
    if next(_numbers) % _EVERY == 0:
        _lost.append(tempfile.NamedTemporaryFile())  # noqa: SIM115 - never closed, that is the point
        threading.Thread(target=threading.Event().wait, daemon=True).start()


def _leaking_protocol(app: FastAPI, bounds: Bounds | None = None, shares: Shares | None = None) -> type[Any]:
    protocol = _honest(app, bounds, shares)

    def on_message_complete(self: Any) -> None:
        _leak()
        protocol.on_message_complete(self)

    return type("Leaking", (protocol,), {"on_message_complete": on_message_complete})


if __name__ == "__main__":
    serving.express_protocol = _leaking_protocol
    sys.exit(__main__.main())
