"""Listening sockets: what the kernel does for us with those who connect."""

import ctypes
import logging
import socket
import struct
import sys
from contextlib import suppress

from service.connections.bounds import UNSENT_BYTES

_ATTACH_FILTER, _DETACH_FILTER = 26, 27  # SO_ATTACH_FILTER, SO_DETACH_FILTER of Linux; Python has no names for them

log = logging.getLogger("fovea")

# Classic BPF, (code, jump if true, jump if false, operand), on the TCP header: what begins a connection is dropped,
# all else passes.
_NO_NEW_CONNECTIONS = (
    (0x30, 0, 0, 13),  # load the flags
    (0x45, 0, 1, 0x02),  # SYN?
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFFFFFF),  # pass
)


def turn_away(listener: socket.socket) -> None:
    """From now on nobody can connect, and who has connected waits to be accepted: so that closing the socket resets
    nobody. To whoever tries it is as if the packet were lost: it comes again a second later, and is told that nobody
    listens, or finds somebody else. Until `welcome`. Only Linux can, and it may not want to; then nothing changes.
    """
    if sys.platform == "linux" and listener.family != socket.AF_UNIX:
        program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in _NO_NEW_CONNECTIONS))
        head = struct.pack("HP", len(_NO_NEW_CONNECTIONS), ctypes.addressof(program))
        try:
            listener.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, head)
        except PermissionError as error:
            log.warning("no filter on the listening socket (%s): who connects just now may be reset", error.strerror)


def welcome(listener: socket.socket, unread_seconds: float) -> None:
    """Whoever connects may, also where a process that has ended turned them away from the same socket. The kernel gives
    up after so long what a client does not read although everything was written, and takes of an answer only what it
    will soon send.
    """
    if sys.platform == "linux" and listener.family != socket.AF_UNIX:
        with suppress(FileNotFoundError):  # nobody was turned away
            listener.setsockopt(socket.SOL_SOCKET, _DETACH_FILTER, 0)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * unread_seconds))
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
