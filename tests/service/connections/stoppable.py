"""A server in this process that is told to stop as a signal would, with requests that wait until they are let go."""

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from service.api.express import express_protocol
from service.connections.draining import DrainingServer
from tests.service.api.conftest import until
from tests.service.connections.conftest import application
from tests.service.connections.raw import Address, Answer, exchanged, head


@dataclass
class Stoppable:
    """A server in this process, told to stop as a signal would. `held` requests of /hold wait for `let_go`."""

    app: FastAPI
    seconds: float
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0), backlog=512))
    held: int = 0

    def __post_init__(self) -> None:
        self._free = threading.Event()
        http = express_protocol(self.app)
        config = uvicorn.Config(self.app, log_level="error", ws="none", http=http, timeout_keep_alive=3600)
        self.server = DrainingServer(config, self.app.state.draining, self.seconds)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listener]})
        self.address: Address = self.listener.getsockname()

        @self.app.get("/hold")
        async def hold() -> str:
            self.held += 1
            await asyncio.to_thread(self._free.wait)
            return "let go"

    def stop(self) -> None:
        self.server.handle_exit(signal.SIGTERM, None)

    def let_go(self) -> None:
        self._free.set()


@contextlib.contextmanager
def stoppable(folder: Path, seconds: float) -> Iterator[Stoppable]:
    one = Stoppable(application(folder), seconds)
    one.thread.start()
    try:
        until(lambda: one.server.started)
        until(lambda: ready(one.address).status == 200)
        yield one
    finally:
        one.let_go()
        one.server.should_exit = True
        one.thread.join()


def ready(address: Address) -> Answer:
    (found,) = exchanged(address, head("GET /health/ready HTTP/1.1", "Connection: close"))
    return found
