"""Several processes of the service on one port: forked once everything is imported, started again when one ends.

Each has a listening socket of its own on the same port, so that the kernel shares the connections out. The sockets
belong to the parent: what arrives while a worker is started again waits for it. Knows nothing of what a worker does.
"""

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any, NoReturn

_QUICK_END_SECONDS = 1.0  # who ends sooner is started again after a second, not in a busy circle
_STOPS = (signal.SIGTERM, signal.SIGINT)

log = logging.getLogger("fovea")


def listening_sockets(host: str, port: int, count: int) -> list[socket.socket]:
    """Bound to the same port, any free one for 0. Raises OSError where it is taken, also by a service like this."""
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    alone = _bound(family, address, shared=False)  # a shared port would let anybody in who shares it too
    if count == 1:
        return [alone]
    address = alone.getsockname()
    alone.close()
    return [_bound(family, address, shared=True) for _ in range(count)]


def _bound(family: int, address: tuple[Any, ...], *, shared: bool) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shared)
    one.bind(address)
    return one


def supervise(
    count: int,
    work: Callable[[int], int],
    ended: Callable[[int], None] = lambda _: None,
    stopping: Callable[[], None] = lambda: None,
) -> int:
    """Runs `work(0)` to `work(count - 1)` in a process each, until SIGTERM or SIGINT; then SIGTERM lets them finish. A
    signal that comes again becomes a SIGINT to them.

    `work` returns an exit code. `ended` is told which one ended before that is started again; `stopping` is called
    once none will be. Call it while one thread runs. Returns 0 once all have stopped as asked.
    """
    return _Supervisor(count, work, ended, stopping).run()


class _Supervisor:
    def __init__(
        self, count: int, work: Callable[[int], int], ended: Callable[[int], None], stopping: Callable[[], None]
    ) -> None:
        self._count, self._work, self._ended, self._told = count, work, ended, stopping
        self._workers: dict[int, tuple[int, float]] = {}
        self._stopping = False
        self._life, self._lifeline = os.pipe()

    def run(self) -> int:
        for number in _STOPS:
            signal.signal(number, self._stop)
        for index in range(self._count):
            self._start(index)
        codes = []
        while self._workers:
            process, status = os.wait()
            if process not in self._workers:  # somebody else's child
                continue
            index, started = self._workers.pop(process)
            codes.append(os.waitstatus_to_exitcode(status))
            self._ended(index)
            if not self._stopping:
                log.error("worker %d ended with code %d and is started again", index, codes[-1])
                time.sleep(_QUICK_END_SECONDS if time.monotonic() - started < _QUICK_END_SECONDS else 0)
                self._start(index)
        # Who was told to stop before it could hear it ended by the signal itself.
        return max((abs(code) for code in codes[-self._count :] if code != -signal.SIGTERM), default=0)

    def _start(self, index: int) -> None:
        """Unless it stops. No signal comes before the parent knows its child, and the child that it is no parent."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
        process = None if self._stopping else os.fork()
        if process == 0:
            self._be(index)
        if process is not None:
            self._workers[process] = index, time.monotonic()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)

    def _be(self, index: int) -> NoReturn:
        """The worker, from its birth to its end."""
        os.setpgid(0, 0)  # a terminal's interrupt reaches the parent alone: a second signal would cut requests off
        for number in _STOPS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
        code = 1
        try:
            os.close(self._lifeline)
            threading.Thread(target=_end_with_the_parent, args=[self._life], daemon=True).start()
            code = self._work(index)
        except SystemExit as exit_:
            code = exit_.code if isinstance(exit_.code, int) else 1
        except BaseException:
            log.exception("worker %d failed", index)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        # Another signal the second time: of two alike a busy worker would see one.
        number = signal.SIGINT if self._stopping else signal.SIGTERM
        self._stopping = True
        self._told()
        for process in self._workers:
            with suppress(ProcessLookupError):  # it has ended just now
                os.kill(process, number)


def _end_with_the_parent(life: int) -> None:
    """The pipe ends when the parent does, however it ended."""
    os.read(life, 1)
    os.kill(os.getpid(), signal.SIGTERM)
