"""How many runs at once, of how many threads, work off most images: what decides the executors of a CPU.

    FOVEA_BENCHMARK_MODELS=... .venv-dev/bin/python -m benchmarks.runs_at_once

ResNet-18 in ONNX Runtime with the service's own session options; no decoding and no HTTP. Ways take turns.
"""

import statistics
import threading
import time

import numpy as np
import onnxruntime as ort

from benchmarks import networks
from service.engine.devices import Device, open_session
from service.engine.session_model import SessionModel

ROUNDS = 3
SECONDS = 3.0
BATCHES = (1, 4)
WAYS = {  # callers, threads of a run
    "one run, all threads": (1, 2),
    "two runs of all threads, one session": (2, 2),
    "two runs of one thread, one session": (2, 1),
    "one run, one thread": (1, 1),
}


def main() -> None:
    model = SessionModel(networks.file(networks.repository(), 1).read_bytes())
    sessions = {threads: open_session(model, Device("cpu", threads, "benchmark")) for threads in (1, 2)}
    print("| images/s: median (least-most) | " + " | ".join(f"batch {batch}" for batch in BATCHES) + " |")
    print("| --- | " + "--- | " * len(BATCHES))
    seen: dict[tuple[str, int], list[float]] = {}
    for _ in range(ROUNDS):
        for way, (callers, threads) in WAYS.items():
            for batch in BATCHES:
                seen.setdefault((way, batch), []).append(images_per_second(sessions[threads], callers, batch))
    for way in WAYS:
        cells = [spread(seen[way, batch]) for batch in BATCHES]
        print(f"| {way} | " + " | ".join(cells) + " |")


def images_per_second(session: ort.InferenceSession, callers: int, batch: int) -> float:
    (taken,) = session.get_inputs()
    images = np.random.default_rng(0).integers(0, 256, (batch, *taken.shape[1:]), np.uint8)
    session.run(None, {taken.name: images})
    done, began = [0] * callers, time.perf_counter()

    def call(caller: int) -> None:
        while time.perf_counter() - began < SECONDS:
            session.run(None, {taken.name: images})
            done[caller] += batch

    threads = [threading.Thread(target=call, args=[caller]) for caller in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.perf_counter() - began)


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} ({min(values):.1f}-{max(values):.1f})"


if __name__ == "__main__":
    main()
