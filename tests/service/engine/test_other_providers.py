"""What only a machine with another runtime can show: run this file there.

On a GPU `CUDA_VISIBLE_DEVICES` says how many take part.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime as ort
import pytest

from service.engine import classifier as classifiers
from service.engine import model_file
from service.engine.classifier import Classifier
from service.engine.devices import Device, chosen_device
from service.engine.providers import NAMES, Provider, has_bf16
from service.engine.runner import BoundRunner
from service.engine.turn import Turn
from tests import tiny_models


def has(provider: Provider) -> bool:
    return NAMES[provider] in ort.get_available_providers()


no_cuda = pytest.mark.skipif(not has("cuda"), reason="no CUDA provider here")
no_openvino = pytest.mark.skipif(not has("openvino"), reason="no OpenVINO provider here")


def loaded(device: Device) -> Classifier:
    file = model_file.from_bytes(tiny_models.classifier().SerializeToString())
    return classifiers.load("tiny", 1, file, device)


def images(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((count, 3, 8, 8), dtype=np.float32)


def answers_as_the_cpu_does(device: Device, tolerance: float) -> bool:
    """Every executor at once, each with batches of several sizes, twice, so that memory and graphs are used again."""
    there, here = loaded(device), loaded(chosen_device("cpu"))

    def close(executor: int) -> bool:
        batches = [images(count, seed=10 * executor + count) for count in (1, 4, 16, 1, 4, 16)]
        pairs = [(there.scores(batch, Turn(executor)), here.scores(batch, Turn())) for batch in batches]
        return all(np.allclose(*pair, atol=tolerance) for pair in pairs)

    with ThreadPoolExecutor(len(device.executors)) as threads:
        return all(threads.map(close, range(len(device.executors))))


@no_openvino
def test_openvino_answers_as_the_cpu_does() -> None:
    assert answers_as_the_cpu_does(chosen_device("openvino"), 1e-4)


@no_openvino
@pytest.mark.skipif(not has_bf16(), reason="this CPU does not multiply bfloat16")
def test_bfloat16_is_near_and_really_another_precision() -> None:
    device = chosen_device("openvino-bf16")
    assert answers_as_the_cpu_does(device, 0.2)
    assert not answers_as_the_cpu_does(device, 1e-4)


@no_cuda
@pytest.mark.parametrize("cuda_graphs", [False, True])
def test_every_gpu_answers_as_the_cpu_does(cuda_graphs: bool) -> None:
    device = chosen_device("cuda", cuda_graphs=cuda_graphs)
    assert answers_as_the_cpu_does(device, 1e-3)
    for runner in loaded(device).runners:
        assert isinstance(runner, BoundRunner)
        assert runner.graphs is cuda_graphs
        assert "Conv" not in runner.foreign_nodes
