"""Five hundred slow clients: are all cut off, and what do honest requests notice?

    python -m benchmarks.slow_clients [--connections 500] [--seconds 60]

Against the bare service, with slowhttptest (Debian and Ubuntu: apt-get install slowhttptest): slow heads, slow bodies,
slow readers, one after the other. Beside them, honest requests at a steady rate, in an open loop.
"""

import argparse
import re
import shutil
import subprocess
import sys

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


_ENDED = re.compile(r"Test ended on (\d+)\w\w second\s+Exit status:(.*)")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


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
    print(table(("beside", "ended after", "because", "honest p50", "honest p99", "honest answers"), rows))


def _row(
    mode: str, server: Server, picture: Picture, connections: int, seconds: int
) -> tuple[str, str, str, str, str, str]:
    with sending(server.url(MULTIPART), picture, MULTIPART, _RATE, seconds, until_left=True) as seen:
        ended = _attacked(_MODES[mode], server.port, connections, seconds)
    return mode, *ended, *_honest(seen[0])


def _attacked(mode: list[str], port: int, connections: int, seconds: int) -> tuple[str, str]:
    """The second in which slowhttptest ended, and why: at once when all its connections are closed."""
    path = "/v1/models/mnist/classify" if "-B" in mode else "/static-offline-docs/swagger-ui-bundle.js"
    command = ["slowhttptest", *mode, "-c", str(connections), "-r", str(connections), "-l", str(seconds), "-p", "5"]
    command += ["-u", f"http://127.0.0.1:{port}{path}"]
    told = subprocess.run(command, check=False, capture_output=True, text=True).stdout  # noqa: S603
    found = _ENDED.search(_COLOURS.sub("", told))
    return (f"{found[1]} s", found[2].strip()) if found else ("-", told[-200:])


def _honest(seen: Seen) -> tuple[str, str, str]:
    return f"{seen.of('200', 'p50_ms'):.1f} ms", f"{seen.of('200', 'p99_ms'):.1f} ms", seen.statuses


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=500)
    parser.add_argument("--seconds", type=int, default=60, help="of each kind at most; %(default)s")
    return parser.parse_args()


if __name__ == "__main__":
    main()
