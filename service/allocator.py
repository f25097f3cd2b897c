"""What glibc's allocator does with threads: by default each gets a heap of its own, up to eight for each CPU.

Large images are decoded by whichever thread is free, so in time every heap has grown to the largest of them, and none
gives that back.
"""

import ctypes
import os
import platform

_ARENA_MAX = -8  # malloc.h's number
_ARENAS = 2


def share_heaps() -> None:
    """Two heaps for all threads that begin from now on, where the C library is glibc. Call it before any does.

    MALLOC_ARENA_MAX, glibc's own variable, decides where it is set. What it gains: decision 23.
    """
    if platform.libc_ver()[0] == "glibc" and "MALLOC_ARENA_MAX" not in os.environ:
        ctypes.CDLL(None).mallopt(_ARENA_MAX, _ARENAS)
