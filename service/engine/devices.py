"""Where inference runs: the execution provider, its threads, and the sessions made there.

Says what it chose and why; never falls back silently. Knows no model and no HTTP.
"""

import os
from dataclasses import dataclass
from importlib import metadata
from math import ceil
from pathlib import Path
from typing import Literal

import onnxruntime as ort
from onnx import TensorProto, helper

from service.errors import ProviderUnavailableError, RuntimeConflictError

Provider = Literal["cpu", "cuda"]

_STATE = ort.capi.onnxruntime_pybind11_state
# ONNX Runtime's exceptions share no base class of their own.
RUNTIME_ERRORS: tuple[type[Exception], ...] = (
    _STATE.EPFail,
    _STATE.EngineError,
    _STATE.Fail,
    _STATE.InvalidArgument,
    _STATE.InvalidGraph,
    _STATE.InvalidProtobuf,
    _STATE.NoModel,
    _STATE.NotImplemented,
    _STATE.RuntimeException,
)

_CUDA = "CUDAExecutionProvider"
_NVIDIA_DEVICES = (Path("/dev/nvidiactl"), Path("/dev/dxg"))  # Linux, and Linux inside Windows
_RUNTIMES = ("onnxruntime", "onnxruntime-gpu")
_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


@dataclass(frozen=True)
class Device:
    """The provider in use, the threads of one run, and the reason for the choice in words."""

    provider: Provider
    threads: int
    reason: str


def chosen_device(wanted: Literal["auto", "cpu", "cuda"], threads: int | None = None) -> Device:
    """The device for all sessions. Raises ProviderUnavailableError where `cuda` is wanted and not usable."""
    count = threads or available_cpus()
    if wanted == "cpu":
        return Device("cpu", count, "provider=cpu was asked for")
    missing = _missing_for_cuda()
    if missing is None:
        return Device("cuda", count, f"provider={wanted} and a CUDA device answers")
    if wanted == "cuda":
        raise ProviderUnavailableError(f"provider=cuda cannot be used: {missing}", "install the gpu extra, or set cpu")
    return Device("cpu", count, f"provider=auto and {missing}")


def open_session(model: bytes, device: Device) -> ort.InferenceSession:
    """A session on `device`; raises ProviderUnavailableError where ONNX Runtime quietly chose another."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = device.threads
    options.log_severity_level = 3
    # Idle sessions whose threads spin take the cores from the busy one: 3 times slower with four models loaded.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    cpu = "CPUExecutionProvider"
    session = ort.InferenceSession(model, options, providers=[_CUDA, cpu] if device.provider == "cuda" else [cpu])
    if device.provider == "cuda" and session.get_providers()[0] != _CUDA:
        raise ProviderUnavailableError("ONNX Runtime fell back to the CPU", "see its log for the missing library")
    return session


def refuse_two_runtimes() -> None:
    """Raises RuntimeConflictError where both ONNX Runtime packages are installed: one overwrote the other's files."""
    found = [name for name in _RUNTIMES if _version(name) is not None]
    if len(found) > 1:
        raise RuntimeConflictError(
            f"{' and '.join(found)} are installed together", "make a new environment with exactly one of them"
        )


def runtime_version() -> str:
    """ONNX Runtime's package and version, as in `onnxruntime 1.31.1`."""
    return next((f"{name} {version}" for name in _RUNTIMES if (version := _version(name))), "onnxruntime unknown")


def available_cpus(quota_file: Path = _CGROUP_QUOTA) -> int:
    """CPUs this process may use: its affinity, or the container's quota where that is less. At least 1."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = quota_file.read_text().split()
        return max(1, min(affinity, ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no cgroup v2, or "max": no quota
        return affinity


def shows_gpu() -> bool:
    """Whether CUDA may be usable here; asks the device nothing, so that a process may still fork."""
    return _CUDA in ort.get_available_providers() and any(device.exists() for device in _NVIDIA_DEVICES)


def _missing_for_cuda() -> str | None:
    if _CUDA not in ort.get_available_providers():
        return f"{runtime_version()} has no CUDA provider"
    if not any(device.exists() for device in _NVIDIA_DEVICES):
        return "this machine shows no NVIDIA device"
    ort.preload_dlls()  # CUDA's libraries from their own packages
    if not _runs_on_cuda():
        return "a first session on the NVIDIA device fell back to the CPU (a library or the driver does not fit)"
    return None


def _runs_on_cuda() -> bool:
    """Whether a session of one node really gets the CUDA provider: ONNX Runtime takes the CPU and only logs why."""
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "probe", value[:1], value[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    session = ort.InferenceSession(model.SerializeToString(), providers=[_CUDA, "CPUExecutionProvider"])
    providers: list[str] = session.get_providers()
    return providers[0] == _CUDA


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
