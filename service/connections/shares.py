"""How the clients of one port are shared out between the processes that listen there.

The kernel does so when they connect, and a connection that is kept stays where it is. Whoever was there while another
process died has its clients from then on, and who took the dead one's place has none. So in the minute behind that,
who has clearly more than its share ends some connections behind an answer, as every client of HTTP/1.1 may expect, and
these connect anew. At other times it would only cost: a process that is busy has more for a while, and then less.
"""

import mmap
from math import ceil

# Of a process: connections that are used, when it first and when it last said that it answers.
_ACTIVE, _SINCE, _BEAT, _CELLS = range(4)
_CELL_BYTES = 8
_NEVER = float("-inf")
_SILENT_SECONDS = 1.0  # whoever has said nothing for so long may hang
_YOUNG_SECONDS = 60.0
_TOGETHER_SECONDS = 1.0  # apart: those who were started at the same time
_MORE_TIMES, _MORE = 1.1, 2  # so much more than its share a process keeps: some difference is always there
_LOOKS = 3  # in a row; a process that is busy for a moment has more, and then not
_MOST = 20  # between two looks: to connect anew costs as much as several requests


class Shares:
    """How many connections each process has that are used, in memory that they share; made before they fork.

    Used by the thread of one event loop in each process, and by their parent. Times are `time.monotonic`'s.
    """

    def __init__(self, processes: int = 1) -> None:
        self._cells = memoryview(mmap.mmap(-1, processes * _CELLS * _CELL_BYTES)).cast("d")
        for process in range(processes):
            self.ended(process)
        self.become(0)

    def become(self, process: int) -> None:
        """To be called first thing after a fork."""
        self._own, self._above, self._spare = process, 0, 0

    def ended(self, process: int) -> None:
        """To be called by the parent."""
        self._cells[process * _CELLS + _ACTIVE] = 0
        self._cells[process * _CELLS + _BEAT] = _NEVER

    def beat(self, now: float) -> None:
        """It answers as well as the others. To be called several times a second."""
        own = self._own * _CELLS
        if self._cells[own + _BEAT] == _NEVER:
            self._cells[own + _SINCE] = now
        self._cells[own + _BEAT] = now

    def leave(self) -> None:
        """Nobody should come to this process any more."""
        self._cells[self._own * _CELLS + _BEAT] = _NEVER

    def look(self, active: int, now: float) -> None:
        """Once a second: on so many connections somebody asked since the last look.

        Who is idle does not count: he cannot be let go, and those who ask would all go in his place.
        """
        self._cells[self._own * _CELLS + _ACTIVE] = active
        beyond = self._beyond(active, now)
        self._above = self._above + 1 if beyond > 0 else 0
        self._spare = min(ceil(beyond), _MOST) if self._above >= _LOOKS else 0

    def lets_go(self) -> bool:
        """Whether a connection should end behind its answer."""
        if self._spare == 0:
            return False
        self._spare -= 1
        return True

    def _beyond(self, active: int, now: float) -> float:
        """By how many it has more than it keeps for itself, where there is somebody new.

        None while a process does not answer: the kernel would let some of those who connect anew wait for it.
        """
        counts, since, beats = (self._cells[cell::_CELLS].tolist() for cell in (_ACTIVE, _SINCE, _BEAT))
        newest = max(since)
        if newest < max(now - _YOUNG_SECONDS, since[self._own] + _TOGETHER_SECONDS):
            return 0.0
        if min(beats) < now - _SILENT_SECONDS:
            return 0.0
        return active - _MORE_TIMES * sum(counts) / len(counts) - _MORE
