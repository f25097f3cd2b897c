"""How a process stops answering without cutting anybody off.

1. It is told to stop. `/health/ready` says so at once, answers end their connections, and all else goes on for a while:
   whoever sends traffic here learns of it in that time.
2. Nobody connects any more; who has connected is taken, and has a moment to ask.
3. What was begun ends, within 30 seconds.
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

import uvicorn

from service.connections.bounds import HANDSHAKE_SECONDS
from service.connections.listener import turn_away

log = logging.getLogger("fovea")


@dataclass
class Draining:
    """`active` from the moment on in which the process was told to stop."""

    active: bool = False


class DrainingServer(uvicorn.Server):
    """uvicorn's server, which drains for so many seconds before it stops. Told a second time it ends at once.

    `tick` is called ten times a second.
    """

    def __init__(
        self, config: uvicorn.Config, draining: Draining, seconds: float, tick: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(config)
        self._draining, self._seconds, self._tick = draining, seconds, tick
        self._until: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._draining.active:
            log.warning("told to stop again: what is under way is cut off")
            os._exit(1)
        super().handle_exit(sig, frame)  # which notes the signal
        self.should_exit = False
        self._draining.active = True

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        self._tick()
        if self._draining.active and self._until is None:
            self._until = time.monotonic() + self._seconds
            log.info("told to stop: not ready any more, still answering for %g s", self._seconds)
            for connection in self.server_state.connections:
                connection.last_answer()  # type: ignore[union-attr]  # all are GuardedProtocol
        over = self._until is not None and time.monotonic() >= self._until
        return await super().on_tick(counter) or over

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in sockets or []:
            turn_away(listener)
        await asyncio.sleep(HANDSHAKE_SECONDS)  # meanwhile the event loop takes everybody who is waiting
        await super().shutdown(sockets)
