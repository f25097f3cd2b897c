"""The first look at a model file, in a process of its own: a file that crashes, hangs or bloats ends that one only.

`verdicts` runs in the service; `python -m service.engine.trial FILE...` is the process. One process tries many files
and is started again behind a file that ended it.
"""

import json
import os
import resource
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from service.engine.repository import stamp
from service.errors import FoveaError

TIMEOUT_SECONDS = 30.0  # of CPU time: an honest CNN of 500 MB loads and runs once in under 10 s on two cores
_PATIENCE = 10  # times that by the clock, for a file that waits for something, and for a machine with other work
_LOOK_SECONDS = 0.5
_NICENESS = 10  # what is served already comes first
SPARE_MEMORY_BYTES = 2 * 1024**3  # beside four times the file: the proto, its bytes, the session, prepacked weights


Verdicts = Iterator[tuple[Path, str | None]]


def verdicts(paths: Sequence[Path], timeout_seconds: float = TIMEOUT_SECONDS) -> Verdicts:
    """Each path with None where it can be served, else with the reason. Costs one process start, then each load.

    `timeout_seconds` of CPU time are for each file, so that a busy machine refuses none; ten times that by the clock.
    """
    return _verdicts(paths, timeout_seconds, None)


class EarlyTrial:
    """`verdicts` whose process starts now, so that it works while the caller still imports its server.

    It serves the first call, if that asks for the same files and none has changed; later calls start their own.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._stamps = {path: stamp(path) for path in paths}
        self._process = _process(paths) if paths else None

    def __call__(self, paths: Sequence[Path]) -> Verdicts:
        started, self._process = self._process, None
        if started is not None and {path: stamp(path) for path in paths} != self._stamps:
            _end(started)
            started = None
        return _verdicts(paths, TIMEOUT_SECONDS, started)

    def within(
        self, seconds: float, later: Callable[[Sequence[Path]], Verdicts]
    ) -> Callable[[Sequence[Path]], Verdicts]:
        """What can be served by then, for processes yet to be forked: they ask `later` of what is not known, was
        refused, or has changed.

        Waits until then at most.
        """
        known: set[tuple[Path, object]] = set()
        if self._process is not None:
            until = time.monotonic() + seconds
            for path in self._stamps:
                line = _line(self._process, until - time.monotonic())
                if not line:
                    break
                if json.loads(line) is None:
                    known.add((path, self._stamps[path]))
            _end(self._process)
            self._process = None

        def remembered(paths: Sequence[Path]) -> Verdicts:
            unknown = [path for path in paths if (path, stamp(path)) not in known]
            yield from ((path, None) for path in paths if path not in unknown)
            yield from later(unknown)

        return remembered


def _verdicts(paths: Sequence[Path], timeout_seconds: float, started: "subprocess.Popen[bytes] | None") -> Verdicts:
    waiting = list(paths)
    while waiting:
        process_of_all, started = started or _process(waiting), None
        with process_of_all as process:
            while waiting:
                reason = _answer(process, timeout_seconds)
                yield waiting.pop(0), reason or None
                if reason is not None and process.poll() is not None:
                    break


def _process(paths: Sequence[Path]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "service.engine.trial", *map(str, paths)]
    # Unbuffered: lines read ahead into a buffer would be invisible to `select`. Its standard input ends when we do.
    pipe = subprocess.PIPE
    return subprocess.Popen(command, bufsize=0, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)  # noqa: S603


def _answer(process: subprocess.Popen[bytes], timeout_seconds: float) -> str | None:
    """The reason the process gave for its next file, None where it accepts it; kills a process that gives none."""
    line = _line_in_time(process, timeout_seconds)
    if line:
        reason: str | None = json.loads(line)
        return reason
    process.kill()
    code = process.wait()
    if line is None:
        return f"smoke_test_failed: loading and one run took over {timeout_seconds:g} s"
    return f"smoke_test_failed: loading it ended a process with code {code}"


def _line_in_time(process: subprocess.Popen[bytes], seconds: float) -> bytes | None:
    """As `_line`, by the CPU time that the process takes."""
    before, end = _cpu_seconds(process), time.monotonic() + _PATIENCE * seconds
    while _cpu_seconds(process) - before < seconds and time.monotonic() < end:
        if (line := _line(process, _LOOK_SECONDS)) is not None:
            return line
    return None


def _cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    """What a process has computed so far, where Linux tells; elsewhere the time of day, as if it always did."""
    try:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return time.monotonic()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime and stime of proc(5)


def _line(process: subprocess.Popen[bytes], timeout_seconds: float) -> bytes | None:
    """The next answer, empty where the process ended, None where it takes too long."""
    assert process.stdout is not None  # noqa: S101 - for the type: it was opened as a pipe
    readable, _, _ = select.select([process.stdout], [], [], max(timeout_seconds, 0))
    return process.stdout.readline() if readable else None


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


def _try(path: Path) -> str | None:
    """None, or why the file cannot be served. Loads it and runs it once, on the CPU, within a bound of memory."""
    from service.engine import classifier, devices, model_file  # noqa: PLC0415 - only the child pays for these

    limit = SPARE_MEMORY_BYTES + 4 * path.stat().st_size
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    try:
        classifier.load("trial", 0, model_file.read(path), devices.chosen_device("cpu"))
    except FoveaError as error:
        return f"{error.code}: {error}"
    except MemoryError:
        return f"smoke_test_failed: it needs more than {limit:,} bytes of memory"
    return None


def _end_with_the_service() -> None:
    """A file whose run never ends does not outlive whoever wanted to know."""
    os.read(0, 1)
    os._exit(1)


def main(paths: Sequence[str]) -> None:
    os.nice(_NICENESS)
    threading.Thread(target=_end_with_the_service, daemon=True).start()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # native code may print; the answers keep a channel of their own
    for path in paths:
        print(json.dumps(_try(Path(path))), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
