"""What the limit calls: the service's own decoding, its own session, and OpenVINO on the same file. No HTTP.

The only place of the benchmarks that must follow when those calls change.
"""

import threading
from collections.abc import Callable
from functools import partial

import numpy as np

from service.arrays import NetworkInput
from service.engine.model_file import ModelFile
from service.images import network_input as service_images
from service.images.decoding import ImageLimits
from service.images.preprocessing import Preprocessing

Run = Callable[[np.ndarray], object]
_LIMITS = ImageLimits()


def network_input(data: bytes, preprocessing: Preprocessing) -> NetworkInput:
    """As a request's image becomes it in the service."""
    return service_images.network_input(data, _LIMITS, preprocessing)


def onnxruntime(file: ModelFile, threads: int, _callers: int = 1) -> Run:
    """A session with the service's own options; any number of threads may call it."""
    from service.engine.devices import Device, open_session  # noqa: PLC0415
    from service.engine.session_model import whole  # noqa: PLC0415

    session = open_session(whole(file.parted), Device("cpu", threads, "benchmark"))
    name = file.input.name
    return lambda batch: session.run(None, {name: batch})


def openvino(file: ModelFile, threads: int, callers: int, precision: str) -> Run:
    """A compiled network with a stream for each calling thread. `precision` as in OpenVINO: f32 or bf16."""
    import openvino as ov  # noqa: PLC0415 - in its own environment only

    core = ov.Core()
    network = core.read_model(model=file.model.SerializeToString())
    hints = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads * callers,
        "NUM_STREAMS": callers,
        "INFERENCE_PRECISION_HINT": precision,
        "ENABLE_CPU_PINNING": False,
    }
    compiled = core.compile_model(network, "CPU", hints)
    local = threading.local()

    def run(batch: np.ndarray) -> object:
        if not hasattr(local, "request"):
            local.request = compiled.create_infer_request()
        return local.request.infer({0: batch}, share_inputs=True, share_outputs=True)[0]

    return run


BACKENDS: dict[str, Callable[[ModelFile, int, int], Run]] = {
    "onnxruntime": onnxruntime,
    "openvino-f32": partial(openvino, precision="f32"),
    "openvino-bf16": partial(openvino, precision="bf16"),
}
