"""How many connections the process may have open at once: each is an open file."""

import resource

_OTHERS = 96  # beside connections and those that are turned away: libraries, sockets, pipes, model files being read
_LEAST = 16


def room_for(connections: int, turned_away: int) -> tuple[int, int]:
    """How many to serve, and how many beyond them to tell so: as many as asked for where the limit of open files can
    be raised so far, else fewer of the first, and of the second at most half of the room.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + turned_away + _OTHERS
    if soft == resource.RLIM_INFINITY:
        return connections, turned_away
    if soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    room = max(2 * _LEAST, soft - _OTHERS)
    turned_away = min(turned_away, room // 2)
    return min(connections, room - turned_away), turned_away
