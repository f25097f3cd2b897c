"""Where inference runs: the execution provider, its threads, its GPUs, and the sessions made there.

Says what it chose and why; never falls back silently. Knows no model and no HTTP.
"""

from dataclasses import dataclass
from importlib import metadata
from typing import Literal

import onnxruntime as ort

from service.engine import gpus, providers
from service.engine.cpus import available_cpus
from service.engine.gpus import Gpu, NoGpuError
from service.engine.providers import Provider
from service.engine.session_model import SessionModel
from service.errors import ProviderUnavailableError, RuntimeConflictError

Wanted = Literal["auto", "cpu", "cuda", "openvino", "openvino-bf16"]

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

_REFUSALS: tuple[type[Exception], ...] = (ProviderUnavailableError, *RUNTIME_ERRORS)
_RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino")
_RUNNING_EACH = 2  # batches under way on one GPU
_RUNS_AT_ONCE = 4  # on CPUs, where there are so many; fewer, of more threads, would wait for each other's threads


@dataclass(frozen=True)
class Device:
    """The provider in use, the threads of one run, and the reason for the choice in words; `gpus` for cuda only.

    `alone_threads`: a run that nothing else competes with may use so many; None where it gains nothing.

    `executors` has for each executor the number of the session that it drives: with (0, 1, 0, 1) executor 1 drives the
    second GPU. Neighbours drive different GPUs, so that two batches never meet on one while another is idle.
    """

    provider: Provider
    threads: int
    reason: str
    executors: tuple[int, ...] = (0,)
    alone_threads: int | None = None
    gpus: tuple[Gpu, ...] = ()
    cuda_graphs: bool = False

    @property
    def sessions(self) -> int:
        """Sessions that one model needs: one for each GPU, else one."""
        return len(self.gpus) or 1


def chosen_device(
    wanted: Wanted, threads: int | None = None, *, cpus: int | None = None, cuda_graphs: bool = False
) -> Device:
    """The device for all sessions, of `cpus` CPUs at most; raises ProviderUnavailableError where it is not usable.

    `threads` are of one run; unset, as many as are best.
    """
    share = cpus or available_cpus()
    if wanted == "cpu":
        return _cpu(share, threads, "provider=cpu was asked for")
    if wanted == "openvino" or wanted == "openvino-bf16":  # noqa: PLR1714 - mypy narrows a Literal by `==` only
        count = threads or share
        _require_openvino(wanted, count)
        return Device(wanted, count, f"provider={wanted} was asked for", (0,) * min(share, max(2, share // count)))
    try:
        found = _usable_gpus()
    except NoGpuError as missing:
        if wanted == "cuda":
            raise _unavailable(wanted, missing, "install the gpu extra, or set cpu") from missing
        return _cpu(share, threads, f"provider=auto and {missing}")
    names = ", ".join(f"GPU {gpu.index} ({gpu.name})" for gpu in found)
    return Device(
        "cuda",
        threads or share,
        f"provider={wanted} and CUDA answers on {names}",
        tuple(range(len(found))) * _RUNNING_EACH,
        gpus=found,
        cuda_graphs=cuda_graphs,
    )


def _cpu(cpus: int, threads: int | None, reason: str) -> Device:
    """Many runs of few threads answer most images a second, one run of all CPUs answers a lone one soonest."""
    each = threads or max(1, cpus // _RUNS_AT_ONCE)
    alone = cpus if threads is None and cpus > each else None
    return Device("cpu", each, reason, (0,) * max(1, cpus // each), alone)


def open_session(model: SessionModel, device: Device, number: int = 0) -> ort.InferenceSession:
    """Session `number` of `device`; raises ProviderUnavailableError where ONNX Runtime quietly chose another place."""
    return providers.session_on(
        model,
        device.provider,
        device.threads,
        gpu=device.gpus[number].index if device.gpus else 0,
        streams=min(device.threads, len(device.executors)),
        cuda_graphs=device.cuda_graphs,
    )


def refuse_two_runtimes() -> None:
    """Raises RuntimeConflictError where two ONNX Runtime packages are installed: one overwrote the other's files."""
    found = [name for name in _RUNTIMES if _version(name) is not None]
    if len(found) > 1:
        raise RuntimeConflictError(
            f"{' and '.join(found)} are installed together", "make a new environment with exactly one of them"
        )


def runtime_version() -> str:
    """ONNX Runtime's package and version, as in `onnxruntime 1.31.1`."""
    return next((f"{name} {version}" for name in _RUNTIMES if (version := _version(name))), "onnxruntime unknown")


def shows_gpu() -> bool:
    """Whether CUDA may be usable here. Where it is, the process must not fork any more: its driver is in use."""
    try:
        return providers.NAMES["cuda"] in ort.get_available_providers() and bool(gpus.visible_gpus())
    except NoGpuError:
        return False


def _usable_gpus() -> tuple[Gpu, ...]:
    """The GPUs on which a first session really ran; raises NoGpuError with what is missing."""
    if providers.NAMES["cuda"] not in ort.get_available_providers():
        raise NoGpuError(f"{runtime_version()} has no CUDA provider")
    found = gpus.visible_gpus()
    ort.preload_dlls()  # CUDA's libraries from their own packages
    for gpu in found:
        try:
            providers.probe("cuda", gpu=gpu.index)
        except _REFUSALS as error:
            raise NoGpuError(f"a first session on GPU {gpu.index} ({gpu.name}) failed: {error}") from error
    return found


def _require_openvino(wanted: Wanted, threads: int) -> None:
    if providers.NAMES["openvino"] not in ort.get_available_providers():
        missing = f"{runtime_version()} has no OpenVINO provider"
        raise _unavailable(wanted, missing, "install the openvino extra, or set cpu")
    if wanted == "openvino-bf16" and not providers.has_bf16():
        raise _unavailable(wanted, "this CPU does not multiply bfloat16", "set openvino, which computes in float32")
    providers.probe("openvino", threads)


def _unavailable(wanted: Wanted, missing: object, remedy: str) -> ProviderUnavailableError:
    return ProviderUnavailableError(f"FOVEA_PROVIDER={wanted} cannot be used: {missing}", remedy)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
