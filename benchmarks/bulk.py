"""Images a second of a folder of small images: `python -m service bulk`, here and on Ray, beside a plain loop.

    python -m benchmarks.bulk [--images 10000] [--rounds 3] [--ray]

The images are 28x28 PNG files of noise and the network is `mnist`; a plain loop opens each with Pillow and runs the
network on it alone, as a script would. Prints Markdown.
"""

import argparse
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime as ort
from PIL import Image

from benchmarks import machine
from benchmarks.environments import ROOT
from benchmarks.report import table

if TYPE_CHECKING:
    from collections.abc import Callable

_MODEL = ROOT / "models/mnist/1/model.onnx"


def loop(folder: Path) -> float:
    """Seconds that a script takes for all of them, one after the other, its imports and its session not counted."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(_MODEL, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    before = time.perf_counter()
    for path in sorted(folder.iterdir()):
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("L"))
        session.run(None, {name: pixels.reshape(1, 28, 28, 1)})
    return time.perf_counter() - before


def command(folder: Path, *options: str) -> tuple[float, float]:
    """Seconds of the whole command, and its own images a second, which leave out loading."""
    before = time.perf_counter()
    with tempfile.TemporaryDirectory() as answers:
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "service", "bulk", str(folder), "--to", answers, "--model", "mnist@1", *options],
            cwd=ROOT,
            env={"RAY_ADDRESS": "local", "RAY_worker_niceness": "0", **os.environ, "FOVEA_PROVIDER": "cpu"},
            capture_output=True,
            text=True,
            check=True,
        )
    found = re.search(r"images, ([\d,]+)/s", done.stdout)
    assert found is not None, done.stdout
    return time.perf_counter() - before, float(found[1].replace(",", ""))


def section(images: int, rounds: int, *, with_ray: bool) -> str:
    ways: dict[str, "Callable[[Path], tuple[float, float]]"] = {
        "a plain loop": lambda folder: ((seconds := loop(folder)), images / seconds),
        "`bulk`": command,
    }
    if with_ray:
        ways["`bulk --ray`, on a cluster of its own"] = lambda folder: command(folder, "--ray")
    seen: dict[str, list[tuple[float, float, float]]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as folder:
        _draw(Path(folder), images)
        for number in range(rounds):
            for name, way in ways.items():
                print(f"round {number + 1}: {name}", file=sys.stderr)
                before = _cpu_seconds()
                seconds, rate = way(Path(folder))
                seen[name].append((seconds, rate, 1000 * (_cpu_seconds() - before) / images))
    rows = [(name, *(_spread(column) for column in zip(*runs, strict=True))) for name, runs in seen.items()]
    return table(
        (f"{images:,} images, {rounds} rounds", "seconds in all", "images/s once loaded", "CPU ms an image"), rows
    )


def _draw(folder: Path, images: int) -> None:
    random = np.random.default_rng(0)
    for number in range(images):
        Image.fromarray(random.integers(0, 256, (28, 28), np.uint8)).save(folder / f"{number:06}.png")


def _cpu_seconds() -> float:
    """Of this process and of its children that have ended, all their starts included."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _spread(values: tuple[float, ...]) -> str:
    return f"{statistics.median(values):,.2f} ({min(values):,.2f}-{max(values):,.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ray", action="store_true")
    options = parser.parse_args()
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    print(f"{time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC, {machine.processors()}, load before {load}\n")
    print(section(options.images, options.rounds, with_ray=options.ray))


if __name__ == "__main__":
    main()
