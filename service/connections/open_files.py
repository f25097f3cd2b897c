"""How many connections the process may have open at once: each is an open file."""

import resource

_OTHERS = 96  # beside connections and those that are turned away: libraries, sockets, pipes, model files being read
_LEAST = 16


def room_for(connections: int, turned_away: int) -> int:
    """As many as asked for where the limit of open files can be raised so far, else fewer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + turned_away + _OTHERS
    if soft == resource.RLIM_INFINITY:
        return connections
    if soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(_LEAST, min(connections, soft - turned_away - _OTHERS))
