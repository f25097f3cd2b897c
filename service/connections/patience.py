"""How long a client has kept us waiting, as somebody knows who looks now and then. No I/O, no clock of its own.

Between two looks nothing is noted, so that a request costs nothing for it; a client has up to one interval more.
"""

from typing import Literal

from service.connections.bounds import BYTES_PER_SECOND

# `next`: nothing has to come. `head`: the rest of a head, or the first one at all. `body`: the rest of a body.
# `us`: the client waits.
Awaited = Literal["next", "head", "body", "us"]


class Patience:
    """Of one connection. Times are seconds of one monotonic clock."""

    def __init__(self, seconds: float, now: float) -> None:
        self._seconds = seconds
        self._awaited: tuple[Awaited, int] = "head", 0
        self._since = self._moved = now
        self._received = self._received_before = 0

    def look(self, awaited: Awaited, messages: int, received: int, now: float) -> bool:
        """Notes what is waited for, in which request of the connection, and how many bytes came in all.

        Says whether there may be an answer since the look before.
        """
        is_new = (awaited, messages) != self._awaited
        if is_new:
            self._awaited = awaited, messages
            self._since = self._moved = now
            self._received = self._received_before = received
        if received != self._received:
            self._received, self._moved = received, now
        return is_new or awaited == "us"

    def waited(self, awaited: Awaited, messages: int, now: float) -> float:
        """Seconds since it was noted that this is waited for; 0 where something else was."""
        return now - self._since if (awaited, messages) == self._awaited else 0.0

    def is_over(self, now: float) -> bool:
        """What has to come does not, or too slowly."""
        awaited, waited = self._awaited[0], now - self._since
        if awaited == "head":
            return waited > self._seconds
        if awaited == "body":
            came = self._received - self._received_before
            return now - self._moved > self._seconds or waited > 3 * self._seconds + came / BYTES_PER_SECOND
        return False


class Reading:
    """How a client takes what it is answered; likewise."""

    def __init__(self, seconds: float, now: float) -> None:
        self._seconds = seconds
        self._since = self._moved = now
        self._taken = self._taken_before = 0
        self.unread = 0

    def look(self, unread: int, taken: int, now: float) -> None:
        """Notes how many bytes of answers the client has not taken and, where there are any, how many it has since it
        connected.
        """
        if not self.unread:
            self._since, self._moved, self._taken_before = now, now, taken
        elif (unread, taken) != (self.unread, self._taken):
            self._moved = now
        self.unread, self._taken = unread, taken

    def is_over(self, now: float) -> bool:
        """What was answered is not read, or too slowly."""
        if not self.unread:
            return False
        least = 3 * self._seconds + (self._taken - self._taken_before) / BYTES_PER_SECOND
        return now - self._moved > self._seconds or now - self._since > least
