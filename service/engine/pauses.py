"""Pauses between copies that hold every other thread up.

Python's lock is kept for as long as a copy of bytes takes, and who waits for it has half a millisecond before the next
one begins: a request under way needs several turns, and would wait for as many copies.
"""

import time

_LARGE_BYTES = 1 << 24  # to copy this many takes 10 ms
_SECONDS = 0.02


def after_copy(size: int) -> None:
    """Behind a copy of so many bytes: lets other threads finish what they are at, 20 ms where it was a large one."""
    if size >= _LARGE_BYTES:
        time.sleep(_SECONDS)
