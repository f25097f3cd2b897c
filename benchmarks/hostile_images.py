"""Sends a folder of hostile images to the service, and mutations of them: statuses, slowest, memory, growth.

    python -m benchmarks.hostile_images DIR [--passes 3] [--mutations 100000] [--seed 0]

One request at a time, so that what a file takes is its own: seconds until the answer, seconds of CPU of the process
(in steps of 10 ms; the figure that a busy machine leaves alone), and by how much it was larger at its peak than
before. Every second request is of a grey network, every second of one that sees colours.
"""

import argparse
import http.client
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from benchmarks import machine
from benchmarks.environments import ROOT
from benchmarks.mutations import mutations
from benchmarks.server import System, running

PATHS = ("/v1/models/mnist/classify", "/v1/models/cifar10/classify")
_SETTINGS = {"FOVEA_PROVIDER": "cpu", "FOVEA_WORKERS": "1", "FOVEA_LOG_LEVEL": "warning"}
_GROUP = 10_000  # mutations in one row of the table
_HEAD = (
    "",
    "statuses",
    "s",
    "slowest, s",
    "costliest, s of CPU",
    "largest, MiB",
    "peak RSS, MiB",
    "RSS after",
    "growth",
)
_KIB_PER_MIB = 1024
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Most:
    """The largest value so far and which request it was of."""

    value: float = 0.0
    name: str = ""

    def of(self, value: float, name: str) -> "Most":
        return Most(value, name) if value > self.value else self


@dataclass
class Pass:
    """What one row of the table counts."""

    name: str
    statuses: Counter[int] = field(default_factory=Counter)
    slowest: Most = Most()
    costliest: Most = Most()
    largest: Most = Most()
    peak_mib: float = 0.0
    seconds: float = 0.0
    after_mib: float = 0.0

    def row(self, before_mib: float) -> tuple[str, ...]:
        return (
            self.name,
            ", ".join(f"{status}: {count:,}" for status, count in sorted(self.statuses.items())),
            f"{self.seconds:.0f}",
            f"{self.slowest.value:.2f} ({self.slowest.name})",
            f"{self.costliest.value:.2f} ({self.costliest.name})",
            f"{self.largest.value:.0f} ({self.largest.name})",
            f"{self.peak_mib:.0f}",
            f"{self.after_mib:.0f}",
            f"{self.after_mib - before_mib:+.0f}",
        )


def main() -> None:
    options = _options()
    files = {str(path.relative_to(options.folder)): path.read_bytes() for path in _images(options.folder)}
    system = System("fovea", (sys.executable, *_serve()), _SETTINGS, {}, "/health/ready")
    about = f"{machine.processors()}, load {os.getloadavg()[0]:.1f}; {len(files)} files"
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {about}")
    with running(system) as server:
        asked = Asked(server.port, server.process.pid)
        before = asked.resident_mib()
        print(f"RSS at the start: {before:.0f} MiB\n\n| {' | '.join(_HEAD)} |\n{'|---' * len(_HEAD)}|", flush=True)
        for name, images in _passes(files, options):
            seen = asked.run(name, images)
            print(f"| {' | '.join(seen.row(before))} |", flush=True)
            before = seen.after_mib
        exits = 0 if server.process.poll() is None else 1
    print(f"\nprocess exits: {exits}")


def _passes(files: dict[str, bytes], options: argparse.Namespace) -> Iterator[tuple[str, Iterable[tuple[str, bytes]]]]:
    """Each row of the table: its name, and what is sent for it."""
    for number in range(options.passes):
        yield f"pass {number + 1}", files.items()
    made = ((f"mutation {number}", data) for number, data in enumerate(mutations([*files.values()], options.seed)))
    for start in range(0, options.mutations, _GROUP):
        count = min(_GROUP, options.mutations - start)
        yield f"mutations to {start + count:,}", islice(made, count)


class Asked:
    """The service asked over one connection, and looked at from outside."""

    def __init__(self, port: int, pid: int) -> None:
        self._port, self._pid = port, pid
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._count = 0

    def run(self, name: str, images: Iterable[tuple[str, bytes]]) -> Pass:
        seen, began = Pass(name), time.monotonic()
        for image, data in images:
            self._forget_peak()
            before, computed = self.resident_mib(), self._cpu_seconds()
            status, seconds = self._answer(data)
            peak = self._mib("VmHWM")
            seen.statuses[status] += 1
            seen.slowest = seen.slowest.of(seconds, image)
            seen.costliest = seen.costliest.of(self._cpu_seconds() - computed, image)
            seen.largest = seen.largest.of(peak - before, image)
            seen.peak_mib = max(seen.peak_mib, peak)
        seen.seconds, seen.after_mib = time.monotonic() - began, self.resident_mib()
        return seen

    def resident_mib(self) -> float:
        return self._mib("VmRSS")

    def _answer(self, data: bytes) -> tuple[int, float]:
        """Status 0 where the connection broke."""
        self._count += 1
        began = time.monotonic()
        try:
            headers = {"Content-Type": "application/octet-stream"}
            self._connection.request("POST", PATHS[self._count % len(PATHS)], data, headers)
            response = self._connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return 0, time.monotonic() - began
        return response.status, time.monotonic() - began

    def _cpu_seconds(self) -> float:
        after_name = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return (int(after_name[11]) + int(after_name[12])) / _TICKS_PER_SECOND

    def _mib(self, name: str) -> float:
        lines = Path(f"/proc/{self._pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / _KIB_PER_MIB for line in lines if line.startswith(f"{name}:"))

    def _forget_peak(self) -> None:
        Path(f"/proc/{self._pid}/clear_refs").write_text("5")


def _images(folder: Path) -> Iterator[Path]:
    """Every file but what describes the folder itself."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix not in {".csv", ".md"})


def _serve() -> tuple[str, ...]:
    return "-m", "service", "serve", "--port", "{port}", "--models", str(ROOT / "models")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hostile_images")
    parser.add_argument("folder", metavar="DIR", type=Path, help="images, in folders or not")
    parser.add_argument("--passes", type=int, default=3, help="how often every file is sent")
    parser.add_argument("--mutations", type=int, default=0, help="how many mutations of them afterwards")
    parser.add_argument("--seed", type=int, default=0, help="of the mutations")
    return parser.parse_args()


if __name__ == "__main__":
    main()
