"""How many requests each client has left: a token bucket for each, in memory that all workers share by fork.

Kept is one time for each bucket, the one at which it would be full again (the generic cell rate algorithm), so a
bucket that is full says nothing and may be forgotten. The memory never grows: where a row of buckets is in use, the
fullest one makes place, and its client gains what it had used. Nobody can choose whose: the rows are drawn by a keyed
hash.
"""

import mmap
import time
from dataclasses import dataclass
from hashlib import blake2b
from math import ceil
from secrets import token_bytes

_ROWS = 16_384  # of `_PLACES` buckets of 16 bytes: 1 MiB, 65,536 clients at a time
_PLACES = 4
_ROUNDING = 1e-9  # seconds


@dataclass(frozen=True, slots=True)
class Allowance:
    """`left` requests at once; of a bucket that is empty, `seconds` until it has one, else until it is full."""

    allowed: bool
    left: int
    seconds: float


class Quota:
    """`per_second` requests of each client in the long run, `burst` at once."""

    def __init__(self, per_second: float, burst: int, rows: int = _ROWS) -> None:
        """Made before the workers fork."""
        self.per_second, self.burst = per_second, burst
        self._interval, self._rows, self._key = 1 / per_second, rows, token_bytes(16)
        memory = memoryview(mmap.mmap(-1, rows * _PLACES * 16))
        half = rows * _PLACES * 8
        self._tags, self._full_at = memory[:half].cast("Q"), memory[half:].cast("d")

    @property
    def window_seconds(self) -> int:
        """The time in which an empty bucket fills."""
        return ceil(self.burst * self._interval)

    def taken(self, client: str, now: float | None = None) -> Allowance:
        """One request of this client, at `now` (`time.monotonic`, which all processes share). Costs 3.5 µs.

        Two workers that take from one bucket within the same microsecond may count one request for both.
        """
        now = time.monotonic() if now is None else now
        tag = int.from_bytes(blake2b(client.encode(), digest_size=8, key=self._key).digest(), "little") | 1
        place = self._place(tag)
        known = self._full_at[place] if self._tags[place] == tag else 0.0
        full_at = max(known, now) + self._interval
        missing = full_at - now - self.burst * self._interval
        if missing > _ROUNDING:
            return Allowance(allowed=False, left=0, seconds=missing)
        self._tags[place], self._full_at[place] = tag, full_at
        left = int((self.burst * self._interval - (full_at - now) + _ROUNDING) / self._interval)
        return Allowance(allowed=True, left=left, seconds=full_at - now)

    def _place(self, tag: int) -> int:
        """The client's own bucket, else the one of its row that is full soonest."""
        first = (tag >> 1) % self._rows * _PLACES
        row = self._tags[first : first + _PLACES].tolist()
        if tag in row:
            return first + row.index(tag)
        return min(range(first, first + _PLACES), key=self._full_at.__getitem__)
