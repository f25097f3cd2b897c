"""All connections of one event loop: how many there are, what they hold together, and who keeps us waiting too long.

Looks at each of them once a second, at a few at a time; nobody has a timer of his own.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING, Any

from service.allocator import give_back
from service.connections.bounds import SILENT_SECONDS, Bounds
from service.connections.draining import Draining
from service.connections.shares import Shares
from service.errors import BodiesFullError, ConnectionsFullError, FoveaError

if TYPE_CHECKING:
    from service.connections.protocol import GuardedProtocol

_ROUND_SECONDS = 1.0
# Of a round, unless there are so many that it would take longer than it may: others wait meanwhile.
_AT_ONCE, _PAUSE_SECONDS = 25, 0.02
_MUCH_BYTES = 32 * 1024 * 1024  # of bodies, now gone: the allocator would keep their memory
_LOOK_SECONDS = 0.05  # at most 20 looks a second, of a millisecond for a thousand connections

# An error in the service's words: status, headers, body. Takes what is known of the request, as an ASGI scope.
Wording = Callable[[dict[str, Any], FoveaError], tuple[int, Iterable[tuple[bytes, bytes]], bytes]]


@dataclass
class Crowd:
    """Used by the thread of its event loop alone."""

    bounds: Bounds
    draining: Draining
    wording: Wording
    shares: Shares = field(default_factory=Shares)
    members: set["GuardedProtocol"] = field(default_factory=set)
    held: int = 0
    _most_held: int = 0  # since memory was given back
    _silent: list["GuardedProtocol"] = field(default_factory=list)  # at the last look; who was so longest is last
    _next_look: float = 0.0
    _next: asyncio.TimerHandle | None = None
    _next_round: float = 0.0
    _at_once: int = _AT_ONCE
    _unlooked: list["GuardedProtocol"] = field(default_factory=list)  # in this round

    def joined(self, one: "GuardedProtocol", loop: asyncio.AbstractEventLoop) -> None:
        """A new connection. Where there are too many, who has asked for nothing longest goes, else the new one."""
        self.members.add(one)
        if self._next is None:
            self._arm(loop, loop.time() + self._round_seconds())
        if one.client is None:
            return  # another worker, over a socket file
        beyond = len(self.members) - self.bounds.connections
        if beyond > self.bounds.turned_away:
            one.transport.abort()
        elif beyond > 0 and not self._made_room(loop.time()):
            one.refuse(ConnectionsFullError(self.bounds.connections))

    def left(self, one: "GuardedProtocol") -> None:
        self.members.discard(one)

    def keeps(self, one: "GuardedProtocol", size: int) -> None:
        """So many more bytes of a body are kept for it; too many in all, and whose unfinished body is largest goes."""
        one.held += size
        self.held += size
        self._most_held = max(self._most_held, self.held)
        if self.held > self.bounds.bodies_bytes:
            unfinished = [member for member in self.members if member.is_sending()]
            if unfinished:  # what is whole is answered
                max(unfinished, key=lambda member: member.held).refuse(BodiesFullError(self.bounds.bodies_bytes))

    def gives_back(self, one: "GuardedProtocol") -> None:
        self.held -= one.held
        one.held = 0

    def _round_seconds(self) -> float:
        return min(_ROUND_SECONDS, self.bounds.patience_seconds / 4)

    def _arm(self, loop: asyncio.AbstractEventLoop, when: float) -> None:
        self._next = loop.call_at(when, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """At the next few of a round; at the first of one, also at all together."""
        now = loop.time()
        if not self._unlooked:
            self._next_round = now + self._round_seconds()
            self._unlooked = list(self.members)
            self._begin_round(loop, now)
            self._at_once = max(_AT_ONCE, ceil(len(self.members) * _PAUSE_SECONDS / self._round_seconds()))
        for member in self._unlooked[-self._at_once :]:
            if member in self.members:
                member.look(now)
        del self._unlooked[-self._at_once :]
        self._next = None
        if self._unlooked or self.members:
            self._arm(loop, now + _PAUSE_SECONDS if self._unlooked else self._next_round)

    def _begin_round(self, loop: asyncio.AbstractEventLoop, now: float) -> None:
        self._silent.clear()
        self.shares.look(sum(member.has_asked() for member in self.members), now)
        if self._most_held - self.held > _MUCH_BYTES:
            self._most_held = self.held
            loop.run_in_executor(None, give_back)

    def _made_room(self, now: float) -> bool:
        """Whether somebody was silent for long enough, and is gone."""
        if not self._silent and now >= self._next_look:
            self._look_for_silent(now)
        while self._silent:
            member = self._silent.pop()
            if member in self.members and member.silent_seconds(now) >= SILENT_SECONDS:
                member.transport.abort()
                return True
        return False

    def _look_for_silent(self, now: float) -> None:
        """At all members, so neither for everybody who comes nor before anybody can have been silent for so long."""
        silent = {member: member.silent_seconds(now) for member in self.members}
        enough = [member for member in self.members if silent[member] >= SILENT_SECONDS]
        self._silent = sorted(enough, key=lambda member: silent[member])
        self._next_look = now + max(_LOOK_SECONDS, SILENT_SECONDS - max(silent.values()))
