"""Five hundred slow clients: are all cut off, and what do honest requests notice?

    python -m benchmarks.slow_clients [--connections 500] [--seconds 60]

Against the bare service, with slowhttptest (Debian and Ubuntu: apt-get install slowhttptest): slow heads, slow bodies,
slow readers, one after the other. Beside them, honest requests at a steady rate, in an open loop. How long the service
kept them is read from the kernel: who is reset still reads, byte by byte, what had come before, and slowhttptest takes
his connection for open meanwhile.
"""

import argparse
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import systems
from benchmarks.arrivals import Seen, send, sending
from benchmarks.environments import ROOT
from benchmarks.pictures import MULTIPART, Picture, seven
from benchmarks.report import table
from benchmarks.server import Server, running

_RATE = 50.0  # honest requests a second
_MODES = {
    "slow heads": ["-H", "-i", "5"],
    "slow bodies": ["-B", "-i", "5", "-s", "100000", "-t", "POST"],
    "slow readers": ["-X", "-w", "10", "-y", "20", "-n", "5", "-z", "32", "-k", "3"],
}


_KEPT = frozenset({"01", "03", "04", "05", "08", "0B"})  # states of TCP in which one side still holds the other
_FEW = 20  # connections: the honest ones


def main() -> None:
    options = _options()
    if shutil.which("slowhttptest") is None:
        sys.exit("slowhttptest is not installed; on Debian and Ubuntu: apt-get install slowhttptest")
    picture = seven()
    with running(systems.fovea(ROOT / "models", "mnist")) as server:
        url = server.url(MULTIPART)
        before = send(url, picture, MULTIPART, _RATE, 15)
        rows = [("nobody else", "-", "-", *_honest(before))]
        rows += [_row(mode, server, picture, options.connections, options.seconds) for mode in _MODES]
    print(table(("beside", "most kept", "let go after", "honest p50", "honest p99", "honest answers"), rows))


def _row(
    mode: str, server: Server, picture: Picture, connections: int, seconds: int
) -> tuple[str, str, str, str, str, str]:
    with sending(server.url(MULTIPART), picture, MULTIPART, _RATE, seconds, until_left=True) as seen:
        ended = _attacked(_MODES[mode], server.port, connections, seconds)
    return mode, *ended, *_honest(seen[0])


def _attacked(mode: list[str], port: int, connections: int, seconds: int) -> tuple[str, str]:
    """How many connections the service kept at most, and after how many seconds next to none."""
    path = "/v1/models/mnist/classify" if "-B" in mode else "/static-offline-docs/swagger-ui-bundle.js"
    command = ["slowhttptest", *mode, "-c", str(connections), "-r", str(connections), "-l", str(seconds), "-p", "5"]
    command += ["-u", f"http://127.0.0.1:{port}{path}"]
    with _watched(port) as kept:
        subprocess.run(command, check=False, capture_output=True)  # noqa: S603
    many = [after for after, count in kept if count > _FEW]
    ended = f"{many[-1]:.0f} s" if many[-1] < seconds - 1 else "not at all"  # the tool ends once all are closed
    return str(max(count for _, count in kept)), ended


@contextmanager
def _watched(port: int) -> Iterator[list[tuple[float, int]]]:
    """Twice a second: how long ago it began, and how many connections the service's side has."""
    began, found, left = time.monotonic(), list[tuple[float, int]](), threading.Event()

    def watch() -> None:
        while not left.wait(0.5):
            found.append((time.monotonic() - began, _connections(port)))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        left.set()
        thread.join()


def _connections(port: int) -> int:
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(line[1].endswith(f":{port:04X}") and line[3] in _KEPT for line in lines)


def _honest(seen: Seen) -> tuple[str, str, str]:
    return f"{seen.of('200', 'p50_ms'):.1f} ms", f"{seen.of('200', 'p99_ms'):.1f} ms", seen.statuses


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=500)
    parser.add_argument("--seconds", type=int, default=60, help="of each kind at most; %(default)s")
    return parser.parse_args()


if __name__ == "__main__":
    main()
