"""What a client that leaves costs from then on: nothing. Plain ASGI, knows no route.

Once the body has been read the only thing a client can still say is that it is gone; then the work for it is cancelled,
and whatever was queued or runs for nobody else ends.
"""

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class ClientDeparture:
    """Cancels the request's task when its client leaves before the answer began."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visit = _Visit(receive, send)
        try:
            await self._app(scope, visit.receive, visit.send)
        except asyncio.CancelledError:
            if not visit.left:
                raise
        finally:
            await visit.end()


class _Visit:
    """One request; `left` once its client is known to be gone and its task was cancelled for that."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._task = asyncio.current_task()
        self._watch: asyncio.Task[None] | None = None
        self.left = False

    async def receive(self) -> Message:
        if self._watch is not None:
            await asyncio.wait({self._watch})
            if self.left:
                return {"type": "http.disconnect"}
        message = await self._receive()
        if self._watch is None and message["type"] == "http.request" and not message.get("more_body", False):
            self._watch = asyncio.create_task(self._wait_for_departure())
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self.end()  # an answer that has begun is sent to its end
        await self._send(message)

    async def end(self) -> None:
        if self._watch is not None and not self._watch.done():
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch

    async def _wait_for_departure(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.left = True
        if self._task is not None:
            self._task.cancel()
