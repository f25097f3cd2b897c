"""How many connections the process may have open at once: each is an open file."""

import fcntl
import os
import resource
from pathlib import Path

_OTHERS = 96  # beside connections and those that are turned away: libraries, sockets, pipes, model files being read
_LEAST = 16


def room_for(connections: int, turned_away: int) -> tuple[int, int]:
    """How many to serve, and how many beyond them to tell so: as many as asked for where the limit of open files can
    be raised so far, else fewer of the first, and of the second at most half of the room. Has the kernel make its
    table of open files as large as they need.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + turned_away + _OTHERS
    if soft < needed and soft != resource.RLIM_INFINITY:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    files = needed if soft == resource.RLIM_INFINITY else min(needed, soft)
    _enlarge(files)
    room = max(2 * _LEAST, files - _OTHERS)
    turned_away = min(turned_away, max(room // 2, room - connections))
    return min(connections, room - turned_away), turned_away


def _enlarge(files: int) -> None:
    """Else it is doubled as they come, and a process with threads stands still each time for up to 50 ms: Linux waits
    until nobody reads the old table any more (`expand_fdtable` of fs/file.c).
    """
    with Path(os.devnull).open() as one:
        os.close(fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, files - 1))
