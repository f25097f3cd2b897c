from importlib import metadata
from pathlib import Path

import onnxruntime as ort
import pytest

from service.engine import devices
from service.engine.devices import available_cpus, chosen_device, open_session, refuse_two_runtimes
from service.errors import ProviderUnavailableError, RuntimeConflictError
from tests import tiny_models

NO_CUDA = "CUDAExecutionProvider" not in ort.get_available_providers()


@pytest.mark.parametrize(("quota", "expected"), [("150000 100000", 2), ("50000 100000", 1)])
def test_a_containers_quota_bounds_the_threads(tmp_path: Path, quota: str, expected: int) -> None:
    (tmp_path / "cpu.max").write_text(quota)
    assert available_cpus(tmp_path / "cpu.max") == min(expected, available_cpus(tmp_path / "none"))


@pytest.mark.parametrize("text", ["max 100000", "", "nonsense"])
def test_without_a_quota_the_affinity_counts(tmp_path: Path, text: str) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert available_cpus(tmp_path / "cpu.max") == available_cpus(tmp_path / "none") >= 1


@pytest.mark.skipif(not NO_CUDA, reason="this ONNX Runtime has a CUDA provider")
def test_cuda_that_cannot_be_had_is_an_error_and_auto_says_why_it_took_the_cpu() -> None:
    with pytest.raises(ProviderUnavailableError, match="has no CUDA provider"):
        chosen_device("cuda")
    assert "has no CUDA provider" in chosen_device("auto").reason


def test_a_session_runs_where_the_device_says() -> None:
    session = open_session(tiny_models.classifier().SerializeToString(), chosen_device("cpu", 1))
    assert session.get_providers() == ["CPUExecutionProvider"]
    assert session.get_session_options().intra_op_num_threads == 1


def test_two_runtimes_together_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda _package: "1.31.1")
    with pytest.raises(RuntimeConflictError, match="onnxruntime and onnxruntime-gpu are installed together"):
        refuse_two_runtimes()


def test_one_runtime_is_not() -> None:
    refuse_two_runtimes()
    assert devices.runtime_version().startswith("onnxruntime")
