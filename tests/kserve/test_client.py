"""KServe's own client, unmodified, asks a real service; tests/kserve/ask.py is what it does."""

import json
import subprocess
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.service.api.conftest import pixels, png
from tests.service.api.test_classify import logits_of

HERE = Path(__file__).parent
PYTHON = HERE / ".venv" / "bin" / "python"


@pytest.fixture(scope="module")
def found(client: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What KServe's client was told."""
    if not PYTHON.exists():
        pytest.skip("KServe's client is not here: tests/kserve/install.sh installs it")
    folder = tmp_path_factory.mktemp("kserve")
    np.save(folder / "pixels.npy", pixels()[..., None])
    (folder / "picture.png").write_bytes(png(pixels()))
    files = [str(folder / name) for name in ("pixels.npy", "picture.png")]
    command = [str(PYTHON), str(HERE / "ask.py"), str(client.base_url).rstrip("/"), "grey", *files]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    assert ran.returncode == 0, ran.stderr
    told: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return told


@pytest.fixture(scope="module")
def logits(repository: Path) -> Any:
    return pytest.approx(logits_of(repository, pixels())[0], rel=1e-5, abs=1e-3)


@pytest.mark.parametrize("question", ["server_live", "server_ready", "model_ready"])
def test_health_is_understood(found: dict[str, Any], question: str) -> None:
    assert found[question] is True


def test_a_model_that_cannot_answer_is_not_ready(found: dict[str, Any]) -> None:
    assert found["broken_ready"] is False


@pytest.mark.parametrize("form", ["json", "binary", "binary_answer", "picture"])
def test_tensors_and_files_get_the_network_s_scores(found: dict[str, Any], logits: Any, form: str) -> None:
    assert found[form] == logits


def test_a_large_answer_comes_whole(found: dict[str, Any]) -> None:
    assert found["large"] == 200 * 4


def test_an_error_is_told_in_the_service_s_own_words(found: dict[str, Any]) -> None:
    assert "has datatype 'FP32'; send UINT8" in found["wrong_datatype"]
    assert "no model named 'gray'; loaded models: grey" in found["wrong_model"]
