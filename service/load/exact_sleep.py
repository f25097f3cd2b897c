"""An event loop whose sleeps end on time.

asyncio's loop hands its timeouts to epoll, which counts whole milliseconds: every due request would go out late by up
to one, and its latency, counted from when it was due, would have that in it. `select` waits to the microsecond, and
an epoll (or kqueue) can itself be selected.
"""

import asyncio
import select
import selectors
from typing import Any


class _ExactSelector(selectors.DefaultSelector):
    def select(self, timeout: Any = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout > 0:
            select.select([self], [], [], timeout)
        return super().select(0)


def event_loop() -> asyncio.AbstractEventLoop:
    return asyncio.SelectorEventLoop(_ExactSelector())
