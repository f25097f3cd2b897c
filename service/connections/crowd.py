"""All connections of one event loop: how many there are, what they hold together, and who keeps us waiting too long.

Looks at each of them once a second; nobody has a timer of his own.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from service.connections.bounds import SILENT_SECONDS, TURNED_AWAY, Bounds
from service.connections.draining import Draining
from service.errors import BodiesFullError, ConnectionsFullError, FoveaError

if TYPE_CHECKING:
    from service.connections.protocol import GuardedProtocol

_ROUND_SECONDS = 1.0

# An error in the service's words: status, headers, body. Takes what is known of the request, as an ASGI scope.
Wording = Callable[[dict[str, Any], FoveaError], tuple[int, Iterable[tuple[bytes, bytes]], bytes]]


@dataclass
class Crowd:
    """Used by the thread of its event loop alone."""

    bounds: Bounds
    draining: Draining
    wording: Wording
    members: set["GuardedProtocol"] = field(default_factory=set)
    held: int = 0
    _full_until: float = 0.0
    _next: asyncio.TimerHandle | None = None

    def joined(self, one: "GuardedProtocol", loop: asyncio.AbstractEventLoop) -> None:
        """A new connection. Where there are too many, who has asked for nothing longest goes, else the new one."""
        self.members.add(one)
        if self._next is None:
            self._arm(loop)
        if one.client is None:
            return  # another worker, over a socket file
        beyond = len(self.members) - self.bounds.connections
        if beyond > TURNED_AWAY:
            one.transport.abort()
        elif beyond > 0 and not self._made_room(loop.time()):
            one.refuse(ConnectionsFullError(self.bounds.connections))

    def left(self, one: "GuardedProtocol") -> None:
        self.members.discard(one)

    def keeps(self, one: "GuardedProtocol", size: int) -> None:
        """So many more bytes of a body are kept for it; too many in all, and whose unfinished body is largest goes."""
        one.held += size
        self.held += size
        if self.held > self.bounds.bodies_bytes:
            unfinished = (member for member in self.members if member.is_sending())
            max(unfinished, key=lambda member: member.held, default=one).refuse(
                BodiesFullError(self.bounds.bodies_bytes)
            )

    def gives_back(self, one: "GuardedProtocol") -> None:
        self.held -= one.held
        one.held = 0

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        self._next = loop.call_later(min(_ROUND_SECONDS, self.bounds.patience_seconds / 4), self._round, loop)

    def _round(self, loop: asyncio.AbstractEventLoop) -> None:
        self._next = None
        if self.members:
            self._arm(loop)
        now = loop.time()
        for member in list(self.members):
            member.look(now)

    def _made_room(self, now: float) -> bool:
        """Whether somebody was silent for long enough, and is gone. Looks at all, so not for everybody who comes."""
        if now < self._full_until:
            return False
        silent = {member: member.silent_seconds(now) for member in self.members}
        longest = max(silent, key=lambda member: silent[member])
        if silent[longest] < SILENT_SECONDS:
            self._full_until = now + SILENT_SECONDS - silent[longest]  # before that nobody is
            return False
        longest.transport.abort()
        return True
