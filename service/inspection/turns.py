"""A lock that is given in the order it was asked for: work of many short parts lets others in between them."""

from collections import deque
from collections.abc import Callable
from threading import Lock
from types import TracebackType
from typing import Any


class Turns:
    """As a context manager: one at a time, first come, first served.

    `acquire` waits for a lock that stands for a turn; where it raises, whoever waited leaves the queue.
    """

    def __init__(self, acquire: Callable[[Any], object]) -> None:
        self._acquire = acquire
        self._lock = Lock()
        self._taken = False
        self._waiting: deque[Lock] = deque()

    def __enter__(self) -> None:
        with self._lock:
            if not self._taken:
                self._taken = True
                return
            mine = Lock()
            mine.acquire()
            self._waiting.append(mine)
        try:
            self._acquire(mine)
        except BaseException:
            self._leave(mine)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._next()

    def _leave(self, mine: Lock) -> None:
        """The queue; or hands on the turn that has come meanwhile."""
        with self._lock:
            if mine in self._waiting:
                self._waiting.remove(mine)
            else:
                self._next()

    def _next(self) -> None:
        if self._waiting:
            self._waiting.popleft().release()
        else:
            self._taken = False
