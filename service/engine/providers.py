"""The execution providers of ONNX Runtime: what each is told, and why one cannot be used here. Knows no model.

ONNX Runtime takes the CPU and only logs why where a provider cannot be had, so every session is asked what it got.
"""

import json
import re
from pathlib import Path
from typing import Literal

import onnxruntime as ort
from onnx import TensorProto, helper

from service.engine.session_model import SessionModel
from service.errors import ProviderUnavailableError

Provider = Literal["cpu", "cuda", "openvino", "openvino-bf16"]

NAMES: dict[Provider, str] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "openvino-bf16": "OpenVINOExecutionProvider",
}
_BF16_FLAGS = re.compile(r"^flags\s*:.*\b(avx512_bf16|amx_bf16|avx_ne_convert)\b", re.MULTILINE)
_CPUINFO = Path("/proc/cpuinfo")


def session_on(
    model: SessionModel, provider: Provider, threads: int, *, gpu: int = 0, streams: int = 1, cuda_graphs: bool = False
) -> ort.InferenceSession:
    """A session that runs there; raises ProviderUnavailableError where ONNX Runtime quietly chose another."""
    options = _session_options(threads)
    values = [ort.OrtValue.ortvalue_from_numpy(array) for array in model.weights.values()]
    options.add_external_initializers(list(model.weights), values)
    chosen = [] if provider == "cpu" else [(NAMES[provider], _options(provider, threads, gpu, streams, cuda_graphs))]
    session = ort.InferenceSession(
        model.graph,
        options,
        providers=[*chosen, NAMES["cpu"]],
        enable_fallback=0,  # else a run that fails on the GPU is run again on the CPU, with a line on stdout
    )
    if session.get_providers()[0] != NAMES[provider]:
        raise ProviderUnavailableError(
            f"ONNX Runtime fell back to the CPU from {NAMES[provider]}", "see its log for the missing library"
        )
    return session


def probe(provider: Provider, threads: int = 1, gpu: int = 0) -> None:
    """Raises ProviderUnavailableError where a session of one node does not get the provider."""
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "probe", value[:1], value[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    session_on(SessionModel(model.SerializeToString()), provider, threads, gpu=gpu)


def foreign_nodes(session: ort.InferenceSession, provider: Provider) -> tuple[str, ...]:
    """Kinds of the nodes that ONNX Runtime gave to another provider than the one asked for, one entry each."""
    groups = session.get_provider_graph_assignment_info()
    return tuple(node.op_type for group in groups if group.ep_name != NAMES[provider] for node in group.get_nodes())


def has_bf16(cpuinfo: Path = _CPUINFO) -> bool:
    """Whether this CPU multiplies bfloat16. Where it does not, OpenVINO takes another precision without a word."""
    try:
        return _BF16_FLAGS.search(cpuinfo.read_text()) is not None
    except OSError:
        return False


def _session_options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Idle sessions whose threads spin take the cores from the busy one: 3 times slower with four models loaded.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    return options


def _options(provider: Provider, threads: int, gpu: int, streams: int, cuda_graphs: bool) -> dict[str, str]:
    if provider == "cuda":
        return cuda_options(gpu, cuda_graphs=cuda_graphs)
    return openvino_options(threads, streams, "bf16" if provider == "openvino-bf16" else "f32")


def cuda_options(gpu: int, *, cuda_graphs: bool) -> dict[str, str]:
    return {
        "device_id": str(gpu),
        # EXHAUSTIVE, the default, tries every algorithm anew for each batch size: 634 ms, not 1.9 ms (PaddleX #5057).
        "cudnn_conv_algo_search": "HEURISTIC",
        # The default doubles the arena each time it grows; with several models the last doubling does not fit.
        "arena_extend_strategy": "kSameAsRequested",
        # TF32 keeps 10 bits of each factor: a precision nobody asked for. A float16 file is how one asks.
        "use_tf32": "0",
        "enable_cuda_graph": "1" if cuda_graphs else "0",
    }


def openvino_options(threads: int, streams: int, precision: Literal["f32", "bf16"]) -> dict[str, str]:
    # Unsaid, OpenVINO takes bfloat16 where the CPU has it, and every core of the machine.
    properties = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": str(threads),
        "NUM_STREAMS": str(streams),
    }
    return {"device_type": "CPU", "load_config": json.dumps({"CPU": properties})}
