"""How the connections to one port are shared out between the processes that listen there.

The kernel does so when they are made, and a connection that is kept stays where it is. Whoever was there while another
process died has its clients from then on, and who took the dead one's place has none. So who has clearly more than its
share ends some connections behind an answer, as every client of HTTP/1.1 may expect, and these connect anew.
"""

import mmap

_COUNT, _BEAT, _CELLS = range(3)  # of a process: connections, when it last said that it answers
_CELL_BYTES = 8
_NEVER = float("-inf")
_SILENT_SECONDS = 1.0  # whoever has said nothing for so long may hang
_LOOK_SECONDS = 0.01  # at most so often one is let go: who comes back is seen before many have gone
_MORE_TIMES, _MORE = 1.1, 2  # so much more than its share a process keeps: some difference is always there


class Shares:
    """The number of connections of each process, in memory that they share; made before they fork.

    Used by the thread of one event loop in each process, and by their parent. Times are `time.monotonic`'s.
    """

    def __init__(self, processes: int = 1) -> None:
        self._cells = memoryview(mmap.mmap(-1, processes * _CELLS * _CELL_BYTES)).cast("d")
        for process in range(processes):
            self.ended(process)
        self.become(0)

    def become(self, process: int) -> None:
        """To be called first thing after a fork."""
        self._own, self._next_look = process, 0.0

    def ended(self, process: int) -> None:
        """To be called by the parent."""
        self._cells[process * _CELLS + _COUNT] = 0
        self._cells[process * _CELLS + _BEAT] = _NEVER

    def beat(self, now: float) -> None:
        """It answers as well as the others. To be called several times a second."""
        self._cells[self._own * _CELLS + _BEAT] = now

    def leave(self) -> None:
        """Nobody should come to this process any more."""
        self._cells[self._own * _CELLS + _BEAT] = _NEVER

    def changed(self, by: int) -> None:
        """So many connections more, of this process."""
        self._cells[self._own * _CELLS + _COUNT] += by

    def lets_go(self, now: float) -> bool:
        """Whether a connection should end behind its answer; it is then to be counted no more. Never while one of the
        processes does not answer: the kernel would let some of those who connect anew wait for it.
        """
        if now < self._next_look:
            return False
        self._next_look = now + _LOOK_SECONDS
        counts, beats = self._cells[_COUNT::_CELLS].tolist(), self._cells[_BEAT::_CELLS].tolist()
        if min(beats) < now - _SILENT_SECONDS:
            return False
        return counts[self._own] > _MORE_TIMES * sum(counts) / len(counts) + _MORE
