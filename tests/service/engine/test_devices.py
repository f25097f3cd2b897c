from importlib import metadata

import onnxruntime as ort
import pytest

from service.engine import devices, gpus, providers
from service.engine.devices import Device, chosen_device, open_session, refuse_two_runtimes
from service.engine.gpus import Gpu, NoGpuError
from service.engine.parted import Parted
from service.engine.providers import NAMES
from service.engine.session_model import whole
from service.errors import ProviderUnavailableError, RuntimeConflictError
from tests import tiny_models

AVAILABLE = ort.get_available_providers()
GPUS = (Gpu(0, "NVIDIA L4"), Gpu(1, "NVIDIA L4"))


@pytest.mark.skipif(NAMES["cuda"] in AVAILABLE, reason="this ONNX Runtime has a CUDA provider")
def test_cuda_that_cannot_be_had_is_an_error_and_auto_says_why_it_took_the_cpu() -> None:
    with pytest.raises(ProviderUnavailableError, match=r"FOVEA_PROVIDER=cuda cannot be used: .* has no CUDA provider"):
        chosen_device("cuda")
    assert "has no CUDA provider" in chosen_device("auto").reason


@pytest.mark.skipif(NAMES["openvino"] in AVAILABLE, reason="this ONNX Runtime has an OpenVINO provider")
@pytest.mark.parametrize("wanted", ["openvino", "openvino-bf16"])
def test_openvino_that_cannot_be_had_is_an_error(wanted: devices.Wanted) -> None:
    said = f"FOVEA_PROVIDER={wanted} cannot be used: .* install the openvino"
    with pytest.raises(ProviderUnavailableError, match=said):
        chosen_device(wanted)


def test_a_session_runs_where_the_device_says() -> None:
    session = open_session(whole(Parted(tiny_models.classifier())), chosen_device("cpu", 1))
    assert session.get_providers() == ["CPUExecutionProvider"]
    assert session.get_session_options().intra_op_num_threads == 1


@pytest.mark.skipif(NAMES["cuda"] in AVAILABLE, reason="this ONNX Runtime has a CUDA provider")
@pytest.mark.filterwarnings("ignore:Specified provider 'CUDAExecutionProvider'")
def test_a_session_that_quietly_got_the_cpu_is_an_error() -> None:
    with pytest.raises(ProviderUnavailableError, match="fell back to the CPU from CUDAExecutionProvider"):
        open_session(whole(Parted(tiny_models.classifier())), Device("cuda", 1, "a test", gpus=GPUS))


@pytest.mark.parametrize(
    ("cpus", "threads", "each", "executors", "alone"),
    [
        (1, None, 1, 1, None),
        (2, None, 1, 2, 2),
        (8, None, 2, 4, 8),
        (8, 1, 1, 8, None),  # who states the threads of a run means every run
        (8, 2, 2, 4, None),
        (2, 16, 16, 1, None),
    ],
)
def test_the_executors_of_a_cpu_share_one_session_and_keep_every_cpu_busy(
    cpus: int, threads: int | None, each: int, executors: int, alone: int | None
) -> None:
    device = chosen_device("cpu", threads, cpus=cpus)
    assert (device.threads, device.executors, device.alone_threads) == (each, (0,) * executors, alone)
    assert device.sessions == 1


def pretend_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """The border to CUDA, as it answers on a machine with two GPUs."""
    monkeypatch.setattr(ort, "get_available_providers", lambda: list(NAMES.values()))
    monkeypatch.setattr(ort, "preload_dlls", lambda: None)
    monkeypatch.setattr(gpus, "visible_gpus", lambda: GPUS)
    monkeypatch.setattr(providers, "probe", lambda *_args, **_options: None)


def test_every_visible_gpu_is_driven_by_two_executors_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_cuda(monkeypatch)
    device = chosen_device("auto")
    assert (device.provider, device.executors, device.sessions) == ("cuda", (0, 1, 0, 1), 2)
    assert device.reason == "provider=auto and CUDA answers on GPU 0 (NVIDIA L4), GPU 1 (NVIDIA L4)"


def test_one_gpu_that_runs_nothing_is_named_and_none_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def probe(_provider: str, gpu: int) -> None:
        if gpu == 1:
            raise ProviderUnavailableError("ONNX Runtime fell back", "see its log")

    pretend_cuda(monkeypatch)
    monkeypatch.setattr(providers, "probe", probe)
    with pytest.raises(ProviderUnavailableError, match=r"a first session on GPU 1 \(NVIDIA L4\) failed: ONNX Runtime"):
        chosen_device("cuda")


def test_a_machine_whose_driver_shows_no_gpu_takes_the_cpu_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> tuple[Gpu, ...]:
        raise NoGpuError("the NVIDIA driver shows no GPU")

    pretend_cuda(monkeypatch)
    monkeypatch.setattr(gpus, "visible_gpus", none)
    assert chosen_device("auto").reason == "provider=auto and the NVIDIA driver shows no GPU"


@pytest.mark.parametrize(
    ("installed", "found"),
    [
        ({"onnxruntime", "onnxruntime-gpu"}, "onnxruntime and onnxruntime-gpu"),
        ({"onnxruntime", "onnxruntime-openvino"}, "onnxruntime and onnxruntime-openvino"),
    ],
)
def test_two_runtimes_together_are_refused(monkeypatch: pytest.MonkeyPatch, installed: set[str], found: str) -> None:
    def version(package: str) -> str:
        if package not in installed:
            raise metadata.PackageNotFoundError(package)
        return "1.31.1"

    monkeypatch.setattr(metadata, "version", version)
    with pytest.raises(RuntimeConflictError, match=f"{found} are installed together"):
        refuse_two_runtimes()


def test_one_runtime_is_not() -> None:
    refuse_two_runtimes()
    assert devices.runtime_version().startswith("onnxruntime")
