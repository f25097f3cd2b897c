import json
from pathlib import Path

import pytest

from service.engine import providers
from service.engine.parted import Parted
from service.engine.providers import cuda_options, foreign_nodes, has_bf16, openvino_options, session_on
from service.engine.session_model import whole
from tests import tiny_models


@pytest.mark.parametrize("flag", ["avx512_bf16", "amx_bf16"])
def test_a_cpu_that_multiplies_bfloat16_says_so(tmp_path: Path, flag: str) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: fpu {flag} sse\n")
    assert has_bf16(tmp_path / "cpuinfo")


@pytest.mark.parametrize("text", ["flags\t\t: fpu avx512f\n", "model name\t: avx512_bf16 9000\nflags\t\t: fpu\n", ""])
def test_a_cpu_without_bfloat16_is_not_taken_for_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    assert not has_bf16(tmp_path / "cpuinfo")
    assert not has_bf16(tmp_path / "none")


def test_openvino_is_told_its_precision_and_its_threads() -> None:
    told = json.loads(openvino_options(4, 2, "f32")["load_config"])
    assert told == {"CPU": {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": "4", "NUM_STREAMS": "2"}}


def test_cuda_is_told_which_gpu_and_to_keep_float32() -> None:
    options = cuda_options(1, cuda_graphs=False)
    assert (options["device_id"], options["use_tf32"], options["enable_cuda_graph"]) == ("1", "0", "0")
    assert cuda_options(0, cuda_graphs=True)["enable_cuda_graph"] == "1"


def test_a_session_does_not_run_again_elsewhere_what_failed() -> None:
    session = session_on(whole(Parted(tiny_models.classifier())), "cpu", 1)
    assert session._enable_fallback is False


def test_a_session_of_one_provider_has_no_foreign_nodes() -> None:
    session = session_on(whole(Parted(tiny_models.classifier())), "cpu", 1)
    assert foreign_nodes(session, "cpu") == ()
    assert "Conv" in foreign_nodes(session, "cuda")


def test_a_probe_of_the_cpu_succeeds() -> None:
    providers.probe("cpu")
