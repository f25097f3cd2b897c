"""The log: one JSON object a line, on standard error, whatever wrote it. Knows nothing of what is logged.

It never stops the service: where nobody reads the other end of a pipe any more, lines are left out, and the next one
that gets through says how many. A line is written in one piece, so those of several processes do not mix.
"""

import json
import logging
import os
import select
import sys
import threading
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_FIELD = 1024  # characters
_TRACEBACK = 2048  # its end, which names what happened
_LINE = select.PIPE_BUF  # bytes that a pipe takes in one piece
_PATIENCE_MS = 50  # a reader that is slow is waited for, once; one that has stopped is not

_LOGGED_ALREADY = "Exception in ASGI application"  # uvicorn's words; `api.ledger` says it with the request's id


def configure(level: str) -> "Log":
    """Has every logger of this process, and of those that it forks, write such lines to standard error."""
    log = Log(2)
    handler = _Handler(log)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("uvicorn.error").addFilter(lambda record: not record.getMessage().startswith(_LOGGED_ALREADY))
    return log


class Log:
    """Where lines go. Thread-safe; shared by fork."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = _not_blocking(descriptor)
        self._lock = threading.Lock()
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLOUT)
        self._is_stuck = False
        self._left_out = 0
        os.register_at_fork(after_in_child=self._forked)

    def _forked(self) -> None:
        self._lock = threading.Lock()

    def write(self, line: bytes) -> None:
        """One line with its end, at most `PIPE_BUF` bytes. Costs two system calls, 2 to 3 µs."""
        with self._lock:
            if self._left_out and self._written(_note(f"{self._left_out} lines were left out: nobody read them")):
                self._left_out = 0
            if not self._written(line):
                self._left_out += 1

    def _written(self, line: bytes) -> bool:
        if not self._poll.poll(0 if self._is_stuck else _PATIENCE_MS):
            self._is_stuck = True
            return False
        try:
            os.write(self._descriptor, line)
        except OSError:  # the disk is full, or the reader has closed its end
            return False
        self._is_stuck = False
        return True


class _Handler(logging.Handler):
    """Lines of `logging`. What is given as `extra={"fields": {...}}` becomes fields of the line."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.write(line(record))

    def createLock(self) -> None:  # noqa: N802 - logging's name
        """None: `Log` has its own, which is new in a forked process."""
        self.lock = None


def line(record: logging.LogRecord) -> bytes:
    """In ASCII, so that no text from elsewhere can end the line or colour a terminal."""
    fields: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
        "level": record.levelname.lower(),
        "message": _message(record)[:_FIELD],
        **{name: _short(value) for name, value in getattr(record, "fields", {}).items()},
    }
    if record.exc_info and record.exc_info[0] is not None:
        fields["traceback"] = "".join(traceback.format_exception(*record.exc_info))[-_TRACEBACK:]
    return encoded(fields)


def encoded(fields: Mapping[str, Any]) -> bytes:
    """At most `PIPE_BUF` bytes: of a line that is longer, in whatever alphabet, the longest field loses its end."""
    while len(text := json.dumps(fields, separators=(",", ":")).encode() + b"\n") > _LINE:
        longest = max(fields, key=lambda name: len(str(fields[name])))
        fields = {**fields, longest: str(fields[longest])[: len(str(fields[longest])) // 2]}
    return text


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - whatever a library passes to its logger
        return str(record.msg)


def _short(value: object) -> object:
    return value[:_FIELD] if isinstance(value, str) else value


def _note(message: str) -> bytes:
    now = datetime.now(UTC).isoformat()
    return encoded({"time": now, "level": "warning", "message": message})


def _not_blocking(descriptor: int) -> int:
    """The same pipe, file or terminal opened anew, so that who shares the old one keeps it as it is.

    Where that cannot be (a socket, or a pipe of another user), the old one: then there is only `poll` before a write.
    """
    if not sys.platform.startswith("linux"):
        return descriptor
    try:
        return os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return descriptor
