"""Processes that ask one SharedTrial, made before they were forked, of the same files:

    python -m tests.service.engine.asking_processes COUNT FOLDER FILE...

Each prints one line of JSON: its process id and what it was told. They are forked where there are no other threads:
in a process that has some, a fork may wait for ever for a lock that one of them held.
"""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from service.engine.shared_trial import SharedTrial
from tests.service.api.conftest import until


class Trial:
    """Refuses `b`. Writes down what it tried, and waits before each file until `go` is there."""

    def __init__(self, folder: Path) -> None:
        self._tried, self.go = folder / "tried", folder / "go"

    def __call__(self, paths: Sequence[Path]) -> Iterator[tuple[Path, str | None]]:
        for path in paths:
            with self._tried.open("a") as written:
                written.write(f"{os.getpid()} {path.name}\n")
            until(self.go.exists)
            yield path, "it is b" if path.read_text() == "b" else None

    @property
    def tried(self) -> list[list[str]]:
        return [line.split() for line in self._tried.read_text().splitlines()] if self._tried.exists() else []


def main(count: int, folder: Path, paths: Sequence[Path]) -> None:
    shared = SharedTrial(Trial(folder))
    for _ in range(count):
        if os.fork() == 0:
            found = {path.name: reason for path, reason in shared(paths)}
            os.write(1, json.dumps([os.getpid(), found]).encode() + b"\n")
            os._exit(0)
    with suppress(ChildProcessError):  # all have ended
        while True:
            os.wait()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), [Path(name) for name in sys.argv[3:]])
