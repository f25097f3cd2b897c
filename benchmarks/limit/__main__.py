"""Images a second that this machine can decode and run with no HTTP at all, in several ways; prints JSON.

    python -m benchmarks.limit MODEL PICTURE --backend onnxruntime --seconds 1 --ways 2x1x1x8 ...

A way is PROCESSES x THREADS x RUN_THREADS x BATCH: so many processes, in each so many Python threads, each run with
so many threads of the runtime on so many images. `--run-only` leaves decoding out. Runs in the service's environment,
or in OpenVINO's, which is the service's and OpenVINO.
"""

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np

from benchmarks.limit.backends import BACKENDS, Run, network_input
from service.engine import model_file
from service.engine.model_file import ModelFile

_WARM_SECONDS = 0.3
Work = Callable[[], object]


def main() -> None:
    options = _options()
    file = model_file.read(options.model)
    data = options.picture.read_bytes()
    speeds = {way: _speed(way, file, data, options) for way in options.ways}
    json.dump(speeds, sys.stdout)


def _speed(way: str, file: ModelFile, data: bytes, options: argparse.Namespace) -> dict[str, float]:
    """Images a second of all processes together, and the CPU time of one image."""
    processes = int(way.split("x", maxsplit=1)[0])
    context = multiprocessing.get_context("fork")  # no session exists yet in this process
    barrier, answers = context.Barrier(processes), context.SimpleQueue()
    arguments = (way, file, data, options, barrier, answers)
    workers = [context.Process(target=_process, args=arguments) for _ in range(processes)]
    for worker in workers:
        worker.start()
    rates, costs = zip(*(answers.get() for _ in workers), strict=True)
    for worker in workers:
        worker.join()
    return {"images_per_second": sum(rates), "cpu_ms_per_image": 1e3 * sum(costs) / len(costs)}


def _process(
    way: str,
    file: ModelFile,
    data: bytes,
    options: argparse.Namespace,
    barrier: Barrier,
    answers: "multiprocessing.SimpleQueue[tuple[float, float]]",
) -> None:
    _, threads, run_threads, batch = map(int, way.split("x"))
    run = BACKENDS[options.backend](file, run_threads, threads)
    work = _work(run, file, data, options.run_only, batch)
    _repeat(work, time.monotonic() + _WARM_SECONDS)
    barrier.wait()
    began, cpu = time.monotonic(), time.process_time()
    with ThreadPoolExecutor(threads) as pool:
        ends = [began + options.seconds] * threads
        runs = sum(pool.map(partial(_repeat, work), ends))
    images = runs * batch
    answers.put((images / (time.monotonic() - began), (time.process_time() - cpu) / images))


def _work(run: Run, file: ModelFile, data: bytes, run_only: bool, batch: int) -> Work:
    preprocessing = file.metadata.preprocessing
    if run_only:
        ready = np.stack([network_input(data, preprocessing)] * batch)
        return lambda: run(ready)
    return lambda: run(np.stack([network_input(data, preprocessing) for _ in range(batch)]))


def _repeat(work: Work, end: float) -> int:
    runs = 0
    while time.monotonic() < end:
        work()
        runs += 1
    return runs


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--backend", choices=sorted(BACKENDS), default="onnxruntime")
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--ways", nargs="+", required=True)
    parser.add_argument("--run-only", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
