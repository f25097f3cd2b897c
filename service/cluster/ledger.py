"""What all replicas counted, kept where any of them can read it: processes on several machines share no memory.

Each replica reports its cells once a second. One that starts takes over the page of one that ended and counts on, so
that no counter ever falls and there are as many pages as there were replicas at once.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

PATIENCE_SECONDS = 15.0  # a replica that was not heard of for so long has ended


@dataclass
class _Page:
    owner: str
    counted: bytes
    heard: float


@dataclass(frozen=True)
class Counted:
    """The cells of every other replica, and of those that ended and have no successor yet."""

    living: Sequence[bytes]
    ended: Sequence[bytes]


class Ledger:
    """Run as one actor; it says nothing of what the bytes mean."""

    def __init__(self) -> None:
        self._pages: list[_Page] = []

    def join(self, owner: str) -> bytes | None:
        """What a replica that ended has counted, for `owner` to go on with; None where nobody has."""
        for page in self._pages:
            if self._has_ended(page):
                page.owner, page.heard = owner, time.monotonic()
                return page.counted
        return None

    def report(self, owner: str, counted: bytes) -> None:
        """Replaces what `owner` reported before."""
        page = next((page for page in self._pages if page.owner == owner), None)
        if page is None:  # its first report, or this ledger was started again
            self._pages.append(_Page(owner, counted, time.monotonic()))
        else:
            page.counted, page.heard = counted, time.monotonic()

    def leave(self, owner: str, counted: bytes) -> None:
        """The last report of a replica that stops."""
        self.report(owner, counted)
        for page in self._pages:
            if page.owner == owner:
                page.heard = -math.inf

    def others(self, owner: str) -> Counted:
        """Everything but what `owner` knows itself."""
        others = [page for page in self._pages if page.owner != owner]
        return Counted(
            [page.counted for page in others if not self._has_ended(page)],
            [page.counted for page in others if self._has_ended(page)],
        )

    def _has_ended(self, page: _Page) -> bool:
        return time.monotonic() - page.heard > PATIENCE_SECONDS
