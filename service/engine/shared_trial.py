"""One trial for all workers: whoever comes first tries a file, the others read what was found. Linux only.

Else a new file would cost a process, a load and its memory for each worker, at the same moment.
"""

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from service.engine.repository import stamp
from service.engine.trial import Verdicts, verdicts

_LOOK_SECONDS = 0.02
_MOST_BYTES = 2**16

_Key = tuple[str, tuple[Any, ...] | None]


class SharedTrial:
    """To be made before the workers fork. What was found is in memory of theirs together; a lock of the file system's
    goes with the process that dies.
    """

    def __init__(self, trial: Callable[[Sequence[Path]], Verdicts] = verdicts) -> None:
        self._trial = trial
        self._file = os.memfd_create("fovea-verdicts")

    def __call__(self, paths: Sequence[Path]) -> Verdicts:
        """As `verdicts`, in any order; waits for a worker that is trying files.

        What was accepted stays so while the file is the same: a worker that is started again loads what the others
        serve. A refusal counts that was found after this call: what a file lacked before may be there.
        """
        asked = time.monotonic()
        waiting = {_key(path): path for path in paths}
        while waiting:
            known = self._known(asked)
            for key in known.keys() & waiting.keys():
                yield waiting.pop(key), known[key]
            with self._lock() as free:
                if free:
                    yield from self._tried(waiting, asked)
            if waiting:
                time.sleep(_LOOK_SECONDS)

    def _tried(self, waiting: dict[_Key, Path], asked: float) -> Verdicts:
        """Those that became known before the lock was ours are left to the caller."""
        known = self._known(asked)
        keys = {path: key for key, path in waiting.items() if key not in known}
        for path, reason in self._trial(list(keys)):
            self._add(keys[path], reason)
            yield waiting.pop(keys[path]), reason

    @contextmanager
    def _lock(self) -> Iterator[bool]:
        """Whether it is ours, until the end of the block."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        try:
            yield True
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)

    def _known(self, asked: float) -> dict[_Key, str | None]:
        size = os.fstat(self._file).st_size
        *lines, _ = os.pread(self._file, size, 0).split(b"\n")  # behind the last one is nothing, or half a line
        found = map(json.loads, lines)
        return {_read(key): reason for key, reason, since in found if reason is None or since >= asked}

    def _add(self, key: _Key, reason: str | None) -> None:
        """Behind the last whole line: who was killed while it wrote may have left a part of one."""
        written = os.pread(self._file, os.fstat(self._file).st_size, 0)
        end = 0 if len(written) > _MOST_BYTES else written.rfind(b"\n") + 1
        os.ftruncate(self._file, end)
        os.pwrite(self._file, json.dumps([key, reason, time.monotonic()]).encode() + b"\n", end)


def _key(path: Path) -> _Key:
    seen = stamp(path)
    return str(path), tuple(vars(seen).values()) if seen else None


def _read(key: list[Any]) -> _Key:
    path, seen = key
    return path, tuple(seen) if seen else None
