"""Two forked processes that serve one application, as a program of its own: prints what each said, as JSON.

A test cannot fork itself: it has threads.
"""

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from service.app import create_app
from service.engine.cells import Cells
from service.settings import Settings

CELLS = Cells(parts=2)
APP = create_app(Settings(models=Path(sys.argv[1]), provider="cpu"), cells=CELLS)
PICTURE = Path(sys.argv[2]).read_bytes()
LISTENERS = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]


def started(part: int) -> tuple[int, httpx.Client]:
    pid = os.fork()
    if not pid:
        CELLS.become(part)
        uvicorn.Server(uvicorn.Config(APP, log_level="error", ws="none")).run(sockets=[LISTENERS[part]])
        os._exit(0)
    port = LISTENERS[part].getsockname()[1]
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)
    until(lambda: client.get("/health/ready").status_code == httpx.codes.OK)
    return pid, client


def until(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    sys.exit("half a minute is over")


def said(client: httpx.Client) -> dict[str, Any]:
    stats = client.get("/v2/models/grey/stats").json()["model_stats"]
    return {"metrics": client.get("/metrics").text, "stats": stats}


def classify(client: httpx.Client, times: int) -> None:
    for _ in range(times):
        client.post("/v1/models/grey/classify", content=PICTURE).raise_for_status()


def main() -> None:
    workers = [started(part) for part in range(2)]
    (first, one), (_, two) = workers
    classify(one, 3)
    classify(two, 2)
    found = [said(one), said(two)]
    os.kill(first, signal.SIGKILL)
    os.waitpid(first, 0)
    CELLS.release(0)
    classify(two, 1)
    found.append(said(two))
    workers[0] = started(0)
    classify(workers[0][1], 1)
    found.append(said(two))
    for pid, client in workers:
        client.close()
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
    print(json.dumps(found))  # noqa: T201 - a program


if __name__ == "__main__":
    main()
