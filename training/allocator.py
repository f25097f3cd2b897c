"""What glibc's allocator does with freed memory: by default it hands large blocks back at once.

Every step then takes its hundreds of megabytes of maps from the kernel anew, page by page, each cleared first.
"""

import ctypes
import platform

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # malloc.h's numbers
_NEVER = -1


def keep_freed_memory() -> None:
    """Until the process ends, where the C library is glibc. What it gains: `docs/decisions/0016-training.md`."""
    if platform.libc_ver()[0] != "glibc":
        return
    allocator = ctypes.CDLL(None)
    allocator.mallopt(_MMAP_MAX, 0)
    allocator.mallopt(_TRIM_THRESHOLD, _NEVER)
