"""Tensors against what the network takes."""

import json
from collections.abc import Iterator

import httpx
import numpy as np
import onnx
import pytest
import tritonclient.http as triton  # type: ignore[import-untyped]  # it ships no annotations
from onnx import TensorProto, helper

from service.settings import Settings
from tests import tiny_models
from tests.service.api.conftest import put, ready
from tests.service.api.test_inference_protocol import LENGTH, URL, request, with_binary
from tests.service.api.test_triton_client import address


def test_a_body_of_no_kind_says_what_would_do(client: httpx.Client) -> None:
    answer = client.post(URL, content=b"\0" * 63, headers={LENGTH: "0"})
    assert answer.status_code == 400
    assert answer.json()["error"] == (
        "the body of 63 bytes is neither an image nor one UINT8 input [1, 8, 8, 1]; "
        "send a JPEG, PNG, WEBP, GIF, BMP file or 64 bytes, or state the length of the JSON part"
    )


def test_a_number_beyond_the_datatype_is_the_clients_error_not_a_500(client: httpx.Client) -> None:
    for values in ([1e300] * 192, [float("nan")] * 192):
        sent = request(shape=[1, 3, 8, 8], datatype="FP32", data=values)
        answer = client.post("/v2/models/foreign/infer", content=json.dumps(sent).encode())
        assert answer.status_code == 400
        assert "the input holds NaN or infinity; send finite numbers" in answer.json()["error"]
    sent = request(shape=[1, 3, 8, 8], datatype="FP32", data=[3e38] * 192)
    answer = client.post("/v2/models/foreign/infer", content=json.dumps(sent).encode())
    assert answer.status_code == 400
    assert "the network answers NaN or infinity for this input of shape [1, 3, 8, 8]" in answer.json()["error"]


def windowed() -> onnx.ModelProto:
    """One convolution as a classifier of 28x28 whose scores multiply with the input's size."""
    weights = {"conv.weight": np.ones((4, 1, 28, 28))}
    nodes = [
        helper.make_node("Conv", ["image", "conv.weight"], ["conv"], strides=[28, 28]),
        helper.make_node("Flatten", ["conv"], ["logits"]),
    ]
    image: tuple[str, int, list[int | str]] = ("image", tiny_models.FLOAT, ["batch", 1, "height", "width"])
    return tiny_models.model(nodes, weights, image, ("logits", tiny_models.FLOAT, ["batch", 4]))


@pytest.fixture(scope="module")
def peculiar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Networks of a free size, of half precision, of a fixed batch, and one that wrongly declares any size."""
    folder = tmp_path_factory.mktemp("peculiar")
    put(folder, "free", tiny_models.classifier(side="side"))
    put(folder, "half", tiny_models.classifier(dtype=TensorProto.FLOAT16))
    put(folder, "fixed", tiny_models.classifier(batch=2))
    put(folder, "windowed", windowed())
    with ready(Settings(models=folder, provider="cpu", max_answer_bytes=1024)) as client:
        yield client


def zeros(*shape: int) -> tuple[bytes, dict[str, str]]:
    data = np.zeros(shape, np.float32).tobytes()
    sent = {"name": "image", "shape": shape, "datatype": "FP32", "parameters": {"binary_data_size": len(data)}}
    return with_binary({"inputs": [sent]}, data)


def inferred(client: httpx.Client, model: str, sent: tuple[bytes, dict[str, str]]) -> httpx.Response:
    return client.post(f"/v2/models/{model}/infer", content=sent[0], headers=sent[1])


def test_a_network_of_free_size_takes_any_size(peculiar: httpx.Client) -> None:
    metadata = peculiar.get("/v2/models/free").json()
    assert metadata["inputs"][0]["shape"] == [-1, 3, -1, -1]
    assert inferred(peculiar, "free", zeros(2, 3, 5, 9)).json()["outputs"][0]["shape"] == [2, 4]
    answer = inferred(peculiar, "free", zeros(1, 3, 1, 4097))
    assert (answer.status_code, "a side at most 4,096" in answer.text) == (400, True)


@pytest.mark.parametrize(("side", "message"), [(27, "the network cannot run"), (56, "several scores per class for")])
def test_a_size_that_the_network_cannot_take_is_the_clients_error(
    peculiar: httpx.Client, side: int, message: str
) -> None:
    assert inferred(peculiar, "windowed", zeros(1, 1, 28, 28)).status_code == 200
    answer = inferred(peculiar, "windowed", zeros(1, 1, side, side))
    assert answer.status_code == 400
    assert f"{message} this input of shape [1, 1, {side}, {side}]; send" in answer.json()["error"]


def test_half_precision_goes_in_as_binary_only_and_comes_out_as_fp32(peculiar: httpx.Client) -> None:
    sent = triton.InferInput("image", [1, 3, 8, 8], "FP16")
    sent.set_data_from_numpy(np.zeros((1, 3, 8, 8), np.float16))
    with triton.InferenceServerClient(address(peculiar)) as server:
        assert server.get_model_metadata("half")["inputs"][0]["datatype"] == "FP16"
        assert server.infer("half", [sent]).as_numpy("logits").dtype == np.float32
    as_json = {"inputs": [{"name": "image", "shape": [1, 3, 8, 8], "datatype": "FP16", "data": [0] * 192}]}
    refusal = peculiar.post("/v2/models/half/infer", json=as_json)
    assert (refusal.status_code, "FP16 has no JSON form; send it as binary data" in refusal.text) == (400, True)


def test_a_network_of_fixed_batch_takes_any_batch(peculiar: httpx.Client) -> None:
    for batch in (1, 2, 5):
        assert inferred(peculiar, "fixed", zeros(batch, 3, 8, 8)).json()["outputs"][0]["shape"] == [batch, 4]


def test_an_answer_above_the_limit_is_refused_before_it_is_computed(peculiar: httpx.Client) -> None:
    before = peculiar.get("/v2/models/free/stats").json()["model_stats"][0]["execution_count"]
    answer = inferred(peculiar, "free", zeros(100, 3, 2, 2))
    assert answer.status_code == 413
    assert "the answer to 100 inputs takes about 8,000 bytes, of at most 1,024; send fewer" in answer.json()["error"]
    assert peculiar.get("/v2/models/free/stats").json()["model_stats"][0]["execution_count"] == before
