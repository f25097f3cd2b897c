"""NVIDIA's own client, unchanged, against the served port: what it sends and what it insists on is its business."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import ml_dtypes
import numpy as np
import pytest
import tritonclient.http as triton  # type: ignore[import-untyped]  # it ships no annotations
import tritonclient.http.aio as triton_aio  # type: ignore[import-untyped]
from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]

from service.app import create_app
from service.settings import Settings
from tests.service.api.conftest import NAMES, pixels, png, served, until
from tests.service.api.test_classify import logits_of

BATCH = np.stack([pixels(1), pixels(2), pixels(3)])[..., None]


def address(client: httpx.Client) -> str:
    return f"{client.base_url.host}:{client.base_url.port}"


@pytest.fixture(scope="module")
def server(client: httpx.Client) -> Iterator[triton.InferenceServerClient]:
    server = triton.InferenceServerClient(address(client))
    yield server
    server.close()


@asynccontextmanager
async def aio(client: httpx.Client) -> AsyncIterator[triton_aio.InferenceServerClient]:
    server = triton_aio.InferenceServerClient(address(client))
    try:
        yield server
    finally:
        await server.close()


def asked(client: httpx.Client, question: Callable[[triton_aio.InferenceServerClient], Awaitable[Any]]) -> Any:
    """The answer to one question of the asyncio client."""

    async def answer() -> Any:
        async with aio(client) as server:
            return await question(server)

    return asyncio.run(answer())


def tensor(values: np.ndarray, *, binary: bool = True) -> triton.InferInput:
    sent = triton.InferInput("image", list(values.shape), "UINT8")
    sent.set_data_from_numpy(values, binary_data=binary)
    return sent


def images(*files: bytes) -> triton.InferInput:
    sent = triton.InferInput("image", [len(files)], "BYTES")
    sent.set_data_from_numpy(np.array(files, object))
    return sent


def wanted(name: str = "logits", **wishes: Any) -> list[triton.InferRequestedOutput]:
    return [triton.InferRequestedOutput(name, **wishes)]


def other(datatype: str, values: np.ndarray) -> triton.InferInput:
    """A tensor of a datatype that no network here takes."""
    sent = triton.InferInput("image", list(values.shape), datatype)
    sent.set_data_from_numpy(values)
    return sent


def shared(item: Any) -> Any:
    """An input or output that lies in shared memory."""
    item.set_shared_memory("region", 192)
    return item


@pytest.fixture(scope="module")
def expected(repository: Path) -> np.ndarray:
    return logits_of(repository, *BATCH[..., 0])


def close_to(expected: np.ndarray) -> Any:
    return pytest.approx(expected, rel=1e-5, abs=1e-3)


def test_health(server: triton.InferenceServerClient) -> None:
    assert server.is_server_live()
    assert server.is_server_ready()
    assert server.is_model_ready("grey")
    assert server.is_model_ready("grey", "1")
    assert not server.is_model_ready("broken")
    assert not server.is_model_ready("gray")


def test_metadata_describes_the_input_and_the_output(server: triton.InferenceServerClient) -> None:
    assert server.get_model_metadata("grey", "1") == {
        "name": "grey",
        "versions": ["1"],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": "image", "datatype": "UINT8", "shape": [-1, 8, 8, 1]}],
        "outputs": [{"name": "logits", "datatype": "FP32", "shape": [-1, 4]}],
    }
    assert server.get_model_metadata("foreign")["inputs"] == [
        {"name": "image", "datatype": "FP32", "shape": [-1, 3, 8, 8]}
    ]


def test_the_configuration_agrees_with_the_metadata(server: triton.InferenceServerClient) -> None:
    config, metadata = server.get_model_config("foreign"), server.get_model_metadata("foreign")
    (image,), (scores,) = config["input"], config["output"]
    assert (image["name"], image["data_type"], image["format"]) == ("image", "TYPE_FP32", "FORMAT_NCHW")
    assert config["max_batch_size"] > 0
    assert [-1, *image["dims"]] == metadata["inputs"][0]["shape"]
    assert [-1, *scores["dims"]] == metadata["outputs"][0]["shape"]


def test_only_extensions_that_work_are_advertised(server: triton.InferenceServerClient) -> None:
    assert set(server.get_server_metadata()["extensions"]) == {
        "classification",
        "model_repository",
        "model_configuration",
        "binary_tensor_data",
        "parameters",
        "statistics",
    }


def test_the_repositorys_index_is_asked_with_an_empty_body(server: triton.InferenceServerClient) -> None:
    states = {item["name"]: (item["version"], item["state"]) for item in server.get_model_repository_index()}
    assert states["grey"] == ("1", "READY")
    assert states["broken"] == ("1", "UNAVAILABLE")


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("outputs", [None, wanted(), wanted(binary_data=False)])
def test_a_tensor_of_any_form_gives_the_networks_own_scores(
    server: triton.InferenceServerClient, expected: np.ndarray, binary_in: bool, outputs: Any
) -> None:
    answer = server.infer("grey", [tensor(BATCH, binary=binary_in)], outputs=outputs)
    scores = answer.as_numpy("logits")
    assert scores.dtype == np.float32
    assert scores == close_to(expected)


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compressed_in_both_directions(server: triton.InferenceServerClient, algorithm: str) -> None:
    many = np.repeat(BATCH, 40, axis=0)
    answer = server.infer(
        "grey",
        [tensor(many)],
        outputs=wanted(binary_data=False),
        request_compression_algorithm=algorithm,
        response_compression_algorithm=algorithm,
    )
    plain = server.infer("grey", [tensor(many)]).as_numpy("logits")
    assert answer.as_numpy("logits") == close_to(plain)


def test_encoded_images_are_classified_like_the_pixels_in_them(
    server: triton.InferenceServerClient, expected: np.ndarray
) -> None:
    answer = server.infer("grey", [images(*(png(picture[..., 0]) for picture in BATCH))])
    assert answer.as_numpy("logits") == close_to(expected)


def test_images_in_base64_where_the_parameters_say_so(
    server: triton.InferenceServerClient, expected: np.ndarray
) -> None:
    sent = images(base64.b64encode(png(BATCH[0, ..., 0])))
    in_request = server.infer("grey", [sent], parameters={"content_type": "base64"})
    assert in_request.as_numpy("logits") == close_to(expected[:1])


@pytest.mark.parametrize("binary", [True, False])
def test_classification_gives_the_best_classes_with_value_index_and_label(
    server: triton.InferenceServerClient, expected: np.ndarray, binary: bool
) -> None:
    answer = server.infer("grey", [tensor(BATCH)], outputs=wanted(class_count=2, binary_data=binary))
    rows = answer.as_numpy("logits")
    assert answer.get_output("logits")["datatype"] == "BYTES"
    assert rows.shape == (3, 2)
    for row, scores in zip(rows, expected, strict=True):
        texts = [item.decode() if isinstance(item, bytes) else item for item in row]
        found = [text.split(":") for text in texts]
        best = np.argsort(-scores)[:2]
        assert [(int(index), label) for _, index, label in found] == [(index, NAMES[index]) for index in best]
        assert [float(value) for value, _, _ in found] == close_to(scores[best])


def test_more_classes_than_there_are_gives_all(server: triton.InferenceServerClient) -> None:
    assert server.infer("grey", [tensor(BATCH)], outputs=wanted(class_count=99)).as_numpy("logits").shape == (3, 4)


def test_the_id_comes_back_and_unknown_parameters_do_no_harm(server: triton.InferenceServerClient) -> None:
    answer = server.infer("grey", [tensor(BATCH)], request_id="abc-1", priority=1, parameters={"mine": 1.5})
    assert answer.get_response()["id"] == "abc-1"
    assert (answer.get_response()["model_name"], answer.get_response()["model_version"]) == ("grey", "1")
    assert "id" not in server.infer("grey", [tensor(BATCH)]).get_response()


def test_the_clients_timeout_in_microseconds_shortens_ours(server: triton.InferenceServerClient) -> None:
    assert server.infer("grey", [tensor(BATCH)], timeout=5_000_000).as_numpy("logits").shape == (3, 4)
    with pytest.raises(InferenceServerException, match=r"no answer within 1e-06 s") as refusal:
        server.infer("grey", [tensor(BATCH)], timeout=1)
    assert refusal.value.status() == "504"


def test_statistics_count_inputs_and_runs(server: triton.InferenceServerClient) -> None:
    def stats() -> Any:
        (found,) = server.get_inference_statistics("foreign", "1")["model_stats"]
        return found

    before = stats()
    sent = triton.InferInput("image", [2, 3, 8, 8], "FP32")
    sent.set_data_from_numpy(np.zeros((2, 3, 8, 8), np.float32))
    server.infer("foreign", [sent])
    after = stats()
    assert after["inference_count"] - before["inference_count"] == 2
    assert after["execution_count"] - before["execution_count"] == 1
    assert after["last_inference"] > 1_700_000_000_000
    for part in ("success", "queue", "compute_input", "compute_infer"):
        assert after["inference_stats"][part]["count"] - before["inference_stats"][part]["count"] == 1
        assert after["inference_stats"][part]["ns"] > before["inference_stats"][part]["ns"]
    assert 2 in [entry["batch_size"] for entry in after["batch_stats"]]
    names = [entry["name"] for entry in server.get_inference_statistics()["model_stats"]]
    assert names == ["foreign", "grey", "probable", "upscaler"]


@pytest.mark.parametrize(
    ("ask", "status", "message"),
    [
        (lambda s: s.get_model_metadata("gray"), "404", "no model named 'gray'; loaded models: grey"),
        (lambda s: s.get_model_metadata("grey", "7"), "404", "has no version '7'; its versions: 1"),
        (lambda s: s.get_model_metadata("a/b"), "404", "see GET /v2 for the extensions"),
        (lambda s: s.get_model_config("broken"), "503", "model_corrupt"),
        (lambda s: s.get_model_metadata("grey", "01"), "404", "has no version '01'; its versions: 1"),
        (lambda s: s.get_trace_settings(), "404", "see GET /v2 for the extensions"),
        (lambda s: s.update_trace_settings("grey", {"trace_rate": "1"}), "404", "see GET /v2 for the extensions"),
        (lambda s: s.get_log_settings(), "404", "see GET /v2 for the extensions"),
        (lambda s: s.get_system_shared_memory_status(), "404", "see GET /v2 for the extensions"),
        (lambda s: s.get_cuda_shared_memory_status(), "404", "see GET /v2 for the extensions"),
        (lambda s: s.register_system_shared_memory("r", "/r", 8), "404", "see GET /v2 for the extensions"),
        (lambda s: s.unregister_system_shared_memory(), "404", "see GET /v2 for the extensions"),
        (lambda s: s.infer("grey", [shared(tensor(BATCH))]), "400", "shared memory is not read here; send `data`"),
        (lambda s: s.infer("grey", [tensor(BATCH)], outputs=[shared(*wanted())]), "400", "memory is not written here"),
        (lambda s: s.infer("grey", [tensor(BATCH)], outputs=wanted("scores")), "400", "ask for 'logits' once"),
        (lambda s: s.infer("grey", [tensor(BATCH)], outputs=wanted() * 2), "400", "ask for 'logits' once"),
        (lambda s: s.infer("grey", [other("INT64", BATCH.astype(np.int64))]), "400", "datatype 'INT64'; send UINT8"),
        (lambda s: s.infer("grey", [other("BF16", BATCH.astype(ml_dtypes.bfloat16))]), "400", "'BF16'; send UINT8"),
        (lambda s: s.load_model("grey"), "403", "switched off; start the service with FOVEA_MANAGEMENT_TOKENS"),
        (lambda s: s.unload_model("grey"), "403", "switched off"),
        (lambda s: s.infer("upscaler", [tensor(BATCH)]), "400", "its layer-shapes and feature-maps work"),
        (lambda s: s.infer("foreign", [tensor(BATCH)]), "400", "send FP32, or images as BYTES"),
        (lambda s: s.infer("grey", [tensor(BATCH[:, :7])]), "400", "the model takes [-1, 8, 8, 1]"),
        (lambda s: s.infer("grey", [tensor(BATCH), tensor(BATCH)]), "400", "send exactly one, named 'image'"),
        (lambda s: s.infer("grey", [images(b"x")]), "400", "image 0: the bytes are text, not a supported image; send"),
        (lambda s: s.infer("grey", [images(*[b"x"] * 9)]), "400", "more than 8 images in one request; send at most 8"),
        (lambda s: s.infer("grey", [tensor(np.zeros((20_000, 8, 8, 1), np.uint8))]), "413", "exceeds 1,000,000 bytes"),
    ],
)
def test_the_client_reads_every_error_as_a_sentence_with_its_remedy(
    server: triton.InferenceServerClient, ask: Callable[[Any], Any], status: str, message: str
) -> None:
    with pytest.raises(InferenceServerException) as refusal:
        ask(server)
    assert refusal.value.status() == status
    assert message in refusal.value.message()
    assert "exception occurred in the client" not in refusal.value.message()


def test_under_a_proxy_prefix_that_the_proxy_strips_or_not(repository: Path, expected: np.ndarray) -> None:
    with served(create_app(Settings(models=repository, provider="cpu", root_path="/vision"))) as client:
        for path in ("/vision", ""):
            server = triton.InferenceServerClient(f"{address(client)}{path}")
            until(lambda: bool(server.is_model_ready("grey")))  # noqa: B023 - called in this turn
            assert server.infer("grey", [tensor(BATCH)]).as_numpy("logits") == close_to(expected)
            with pytest.raises(InferenceServerException) as refusal:
                server.get_model_metadata("nobody")
            assert refusal.value.message().startswith("no model named 'nobody'; ")
            server.close()


def test_the_clients_asynchronous_call(server: triton.InferenceServerClient, expected: np.ndarray) -> None:
    assert server.async_infer("grey", [tensor(BATCH)]).get_result().as_numpy("logits") == close_to(expected)


@pytest.mark.parametrize("binary", [True, False])
def test_a_body_that_the_client_made_for_another_http_library(
    client: httpx.Client, expected: np.ndarray, binary: bool
) -> None:
    made = triton.InferenceServerClient.generate_request_body
    body, length = made([tensor(BATCH, binary=binary)], outputs=wanted(binary_data=binary))
    headers = {"Inference-Header-Content-Length": str(length)} if length else {}
    answer = client.post("/v2/models/grey/infer", content=body, headers=headers)
    length = int(answer.headers.get("Inference-Header-Content-Length", 0)) or None
    found = triton.InferenceServerClient.parse_response_body(answer.content, header_length=length)
    assert found.as_numpy("logits") == close_to(expected)


def test_query_parameters_do_no_harm(server: triton.InferenceServerClient) -> None:
    assert server.get_model_metadata("grey", query_params={"a": "b"})["name"] == "grey"
    assert server.infer("grey", [tensor(BATCH)], query_params={"a": 1}).as_numpy("logits").shape == (3, 4)


def test_the_asyncio_client_reads_metadata_although_it_asks_for_compression(client: httpx.Client) -> None:
    assert asked(client, lambda server: server.is_server_ready())
    assert asked(client, lambda server: server.is_model_ready("grey"))
    assert asked(client, lambda server: server.get_model_metadata("grey"))["name"] == "grey"
    assert asked(client, lambda server: server.get_model_config("grey"))["name"] == "grey"
    assert asked(client, lambda server: server.get_inference_statistics())["model_stats"]
    assert len(asked(client, lambda server: server.get_model_repository_index())) == 5


@pytest.mark.parametrize("outputs", [None, wanted(), wanted(binary_data=False)])
def test_the_asyncio_client_infers(client: httpx.Client, expected: np.ndarray, outputs: Any) -> None:
    answer = asked(client, lambda server: server.infer("grey", [tensor(BATCH)], outputs=outputs))
    assert answer.as_numpy("logits") == close_to(expected)


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_the_asyncio_client_sends_images_compressed_and_gets_labels(
    client: httpx.Client, expected: np.ndarray, algorithm: str
) -> None:
    sent = images(*(png(picture[..., 0]) for picture in BATCH))
    wish = {"outputs": wanted(class_count=1), "request_compression_algorithm": algorithm, "request_id": "abc-2"}
    answer = asked(client, lambda server: server.infer("grey", [sent], **wish))
    labels = [text.decode().split(":")[2] for (text,) in answer.as_numpy("logits")]
    assert labels == [NAMES[index] for index in expected.argmax(1)]
    assert answer.get_response()["id"] == "abc-2"


def test_the_asyncio_client_takes_a_large_answer_compressed(client: httpx.Client) -> None:
    many, json_only = np.repeat(BATCH, 200, axis=0), wanted(binary_data=False)
    answer = asked(client, lambda server: server.infer("grey", [tensor(many)], outputs=json_only))
    assert answer.as_numpy("logits").shape == (600, 4)


@pytest.mark.parametrize("binary", [True, False])
def test_the_asyncio_client_infers_with_the_headers_of_mlserver(
    client: httpx.Client, expected: np.ndarray, binary: bool
) -> None:
    """It says that binary bodies are JSON, too."""
    headers = {"content-type": "application/json", "seldon-puid": "a3a5-b202", "x-request-id": "a3a5-b202"}
    sent = {"inputs": [tensor(BATCH, binary=binary)], "outputs": wanted(binary_data=binary), "request_id": "a3a5-b202"}
    answer = asked(client, lambda server: server.infer("grey", **sent, headers=headers))
    assert answer.as_numpy("logits") == close_to(expected)
    assert answer.get_response()["id"] == "a3a5-b202"


def test_the_asyncio_client_reads_errors(client: httpx.Client) -> None:
    with pytest.raises(InferenceServerException) as refusal:
        asked(client, lambda server: server.infer("gray", [tensor(BATCH)]))
    assert refusal.value.message().startswith("no model named 'gray'; loaded models: grey")
