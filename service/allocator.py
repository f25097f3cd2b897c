"""What glibc's allocator does with threads, and with what was freed.

By default each thread gets a heap of its own, up to eight for each CPU. Large images are decoded by whichever thread is
free, so in time every heap has grown to the largest of them; and what lies free below anything in use stays the
process's.
"""

import ctypes
import os
import platform
from functools import cache

_ARENA_MAX = -8  # malloc.h's number
_ARENAS = 2


def share_heaps() -> None:
    """Two heaps for all threads that begin from now on, where the C library is glibc. Call it before any does.

    MALLOC_ARENA_MAX, glibc's own variable, decides where it is set. What it gains: decision 23.
    """
    if _is_glibc() and "MALLOC_ARENA_MAX" not in os.environ:
        ctypes.CDLL(None).mallopt(_ARENA_MAX, _ARENAS)


def give_back() -> None:
    """The pages of all heaps that nothing lies on, to the system, where the C library is glibc. Takes 0.05 ms a MiB."""
    if _is_glibc():
        ctypes.CDLL(None).malloc_trim(0)


@cache
def _is_glibc() -> bool:
    return platform.libc_ver()[0] == "glibc"
