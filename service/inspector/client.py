"""The service's side of the inspector process: asks, gives up, and starts another process where one has ended.

The process starts with the first question. Where it is killed, production never notices.
"""

import asyncio
import itertools
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

import onnx

from service.engine.model_file import ModelFile
from service.engine.parted import Parted
from service.errors import DeadlineExceededError, FoveaError, InspectionBusyError, InspectionEndedError
from service.inspector.messages import (
    Answered,
    Broken,
    GraphWanted,
    Question,
    Reference,
    Refused,
    Started,
    Unwanted,
    Waits,
    received,
    send,
    send_graph,
)

MAX_WAITING = 64  # questions at once, each with its images
_GRACE_SECONDS = 2.0  # for work that nobody waits for to end by itself
_TRIES = 2
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # NumPy's, whatever the machine has

log = logging.getLogger("fovea")


class BrokenInspectionError(Exception):
    """A defect of ours, met in the inspector process; the message is its traceback."""


@dataclass(eq=False)
class _Asked:
    """One question under way. `given_up`: nobody waits for its answer any more."""

    number: int
    work: Callable[..., Any]
    args: tuple[Any, ...]
    answer: "Future[Any]" = field(default_factory=Future)
    tries: int = 0
    started: bool = False
    given_up: bool = False


@dataclass(frozen=True)
class _Model:
    """What the process asked for."""

    sha256: str
    model: Parted


class Inspector:
    """Thread-safe. `max_bytes` bounds the truncated networks that the process keeps."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._process: _Process | None = None
        self._closed = False

    async def ask(self, work: Callable[..., Any], *args: Any, seconds: float) -> Any:
        """`work(*args)`, done in the process. `work` is a function of a module; arguments and result can be pickled.

        A ModelFile among `args` comes as its `Network`. Raises what `work` raises, DeadlineExceededError after so many
        seconds, InspectionBusyError where too much is waiting, InspectionEndedError where it ended the process.
        """
        asked = _Asked(next(self._numbers), work, args)
        process = self._put(asked)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(asked.answer), seconds)
        except TimeoutError:
            raise DeadlineExceededError(seconds) from None
        finally:
            if process.give_up(asked):
                asyncio.get_running_loop().call_later(_GRACE_SECONDS, process.end_if_still_at, asked)

    def close(self) -> None:
        """Ends the process, for good; whoever still waits, or asks later, gets InspectionEndedError."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.end()

    def _put(self, asked: _Asked) -> "_Process":
        with self._lock:
            if self._closed:
                raise InspectionEndedError(-signal.SIGKILL)
            if self._process is None or not self._process.takes(asked):
                self._process = _Process(self._max_bytes, self._put)
                self._process.takes(asked)
            return self._process


class _Process:
    """One process from its start to its end, with a thread for each direction."""

    def __init__(self, max_bytes: int, again: Callable[[_Asked], object]) -> None:
        mine, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "service.inspector.process", str(theirs.fileno()), str(max_bytes)]
            self._popen = subprocess.Popen(  # noqa: S603
                command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=os.environ | _ONE_THREAD
            )
        self._connection = Connection(mine.detach())
        self._again = again
        self._lock = threading.Lock()
        self._waiting: dict[int, _Asked] = {}
        self._outbox: SimpleQueue[object] = SimpleQueue()
        self._has_ended = False
        self._writer, reader = (
            threading.Thread(target=side, name="inspector", daemon=True) for side in (self._write, self._read)
        )
        self._writer.start()
        reader.start()

    def takes(self, asked: _Asked) -> bool:
        """False where the process has ended; raises InspectionBusyError where too many wait for it."""
        with self._lock:
            if self._has_ended:
                return False
            if len(self._waiting) >= MAX_WAITING:
                raise InspectionBusyError(len(self._waiting))
            asked.tries += 1
            asked.started = False
            self._waiting[asked.number] = asked
        self._outbox.put(asked)
        return True

    def give_up(self, asked: _Asked) -> bool:
        """Says that nobody waits any more; whether it was still being worked on."""
        asked.given_up = True
        if asked.number not in self._waiting:
            return False
        self._outbox.put(Unwanted(asked.number))
        return True

    def end_if_still_at(self, asked: _Asked) -> None:
        """Kills the process where it does not let go of what nobody wants."""
        if asked.started and asked.number in self._waiting:
            log.warning("the inspector is stopped: %s does not end", asked.work.__name__)
            self._popen.kill()

    def end(self) -> None:
        self._popen.kill()
        self._popen.wait()

    def _write(self) -> None:
        while (message := self._outbox.get()) is not None:
            try:
                self._send(message)
            except OSError:
                return  # `_read` sees it too
            except Exception as error:  # whatever pickling raises
                if isinstance(message, _Asked):
                    self._settle(message.number, error)
                else:  # perhaps a part of it has gone, and the process would wait for the rest
                    log.exception("the inspector is stopped: it cannot be told what it asked for")
                    self._popen.kill()

    def _send(self, message: object) -> None:
        match message:
            case _Asked():
                send(self._connection, _question(message))
            case _Model():
                send_graph(self._connection, message.sha256, message.model)
            case _:
                send(self._connection, message)

    def _read(self) -> None:
        try:
            while True:
                self._take(received(self._connection))
        except (EOFError, OSError):
            pass
        except Exception:  # as where there is no memory for an answer: what comes behind it makes no sense then
            log.exception("the inspector is stopped: what it says cannot be read")
            self._popen.kill()
        with self._lock:
            self._has_ended = True
        self._outbox.put(None)
        code = self._popen.wait()
        self._writer.join()  # nothing is closed, and no question settled, under whoever is sending it
        self._connection.close()
        self._bury(code)

    def _take(self, message: Any) -> None:
        match message:
            case Started():
                self._waiting[message.number].started = True
            case Waits():
                self._no_longer_at(message.number)
            case Answered():
                self._settle(message.number, message.result)
            case Refused():
                self._settle(message.number, message.error)
            case Broken():
                self._settle(message.number, BrokenInspectionError(message.trace))
            case GraphWanted():
                self._outbox.put(self._model(message))

    def _model(self, wanted: GraphWanted) -> _Model:
        args = self._waiting[wanted.number].args
        return next(_Model(a.sha256, a.parted) for a in args if isinstance(a, ModelFile) and a.sha256 == wanted.sha256)

    def _no_longer_at(self, number: int) -> None:
        with self._lock:
            if number in self._waiting:
                self._waiting[number].started = False

    def _settle(self, number: int, outcome: Any) -> None:
        with self._lock:
            asked = self._waiting.pop(number)
        with suppress(InvalidStateError):  # nobody waits any more
            if isinstance(outcome, Exception):
                asked.answer.set_exception(outcome)
            else:
                asked.answer.set_result(outcome)

    def _bury(self, code: int) -> None:
        """Those that cannot have ended the process are asked again; the others are told that they may have.

        Who kills is somebody else, perhaps for want of memory: the first time it says nothing of a question.
        """
        with self._lock:
            left, self._waiting = list(self._waiting.values()), {}
        culprits = [asked for asked in left if asked.started and asked.given_up]
        if not culprits and code != -signal.SIGKILL:
            culprits = [asked for asked in left if asked.started]
        for asked in left:
            if asked in culprits or asked.tries >= _TRIES:
                with suppress(InvalidStateError):
                    asked.answer.set_exception(InspectionEndedError(code))
            elif not asked.given_up:
                self._ask_again(asked)

    def _ask_again(self, asked: _Asked) -> None:
        try:
            self._again(asked)
        except FoveaError as error:  # too many are waiting, or the service leaves
            with suppress(InvalidStateError):
                asked.answer.set_exception(error)


def _question(asked: _Asked) -> Question:
    nothing = Parted(onnx.ModelProto())
    bare = (Reference(replace(a, parted=nothing)) if isinstance(a, ModelFile) else a for a in asked.args)
    return Question(asked.number, asked.work, tuple(bare))
