"""Models loaded and unloaded by NVIDIA's own clients."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton  # type: ignore[import-untyped]  # it ships no annotations
from pydantic import SecretStr
from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]

from service.app import create_app
from service.settings import Settings
from tests import tiny_models
from tests.service.api.conftest import put, served, until
from tests.service.api.test_management import TOKEN
from tests.service.api.test_triton_client import address, asked

ALLOWED = {"Authorization": f"Bearer {TOKEN.decode()}"}
LOAD, UNLOAD = "/v2/repository/models/tiny/load", "/v2/repository/models/tiny/unload"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Versions 1 and 2 of one model."""
    put(tmp_path, "tiny", tiny_models.classifier())
    put(tmp_path, "tiny", tiny_models.classifier(seed=2), version=2)
    return tmp_path


@pytest.fixture
def managed(folder: Path) -> Iterator[httpx.Client]:
    """Nothing is looked at unasked; files are judged in this process, which is faster."""
    settings = Settings(models=folder, provider="cpu", poll_seconds=0, management_tokens=SecretStr(TOKEN.decode()))
    with served(create_app(settings, lambda paths: ((path, None) for path in paths))) as client:
        until(lambda: client.get("/health/ready").status_code == httpx.codes.OK)
        yield client


@pytest.fixture
def server(managed: httpx.Client) -> Iterator[triton.InferenceServerClient]:
    server = triton.InferenceServerClient(address(managed))
    yield server
    server.close()


def infer(server: triton.InferenceServerClient, version: str = "", model: str = "tiny") -> Any:
    sent = triton.InferInput("image", [1, 3, 8, 8], "FP32")
    sent.set_data_from_numpy(np.zeros((1, 3, 8, 8), np.float32))
    return server.infer(model, [sent], model_version=version).get_response()


def index(server: triton.InferenceServerClient) -> dict[tuple[str, str], tuple[str, str]]:
    items = server.get_model_repository_index()
    return {(item["name"], item["version"]): (item["state"], item["reason"]) for item in items}


def spoil(folder: Path, version: int) -> None:
    path = folder / "tiny" / str(version) / "model.onnx"
    path.unlink()
    path.write_bytes(b"<html>")


def test_unload_gives_back_every_version_and_load_brings_them_back(server: triton.InferenceServerClient) -> None:
    server.unload_model("tiny", headers=ALLOWED)
    assert index(server) == {("tiny", "1"): ("UNAVAILABLE", "unloaded"), ("tiny", "2"): ("UNAVAILABLE", "unloaded")}
    assert not server.is_model_ready("tiny")
    with pytest.raises(InferenceServerException, match="it was unloaded; load it again"):
        infer(server)
    server.load_model("tiny", headers=ALLOWED)
    assert index(server) == {("tiny", "1"): ("READY", ""), ("tiny", "2"): ("READY", "")}
    assert [infer(server, version)["model_version"] for version in ("1", "2", "")] == ["1", "2", "2"]


def test_the_asyncio_client_loads_and_unloads(managed: httpx.Client) -> None:
    asked(managed, lambda server: server.unload_model("tiny", headers=ALLOWED, unload_dependents=True))
    assert not asked(managed, lambda server: server.is_model_ready("tiny"))
    asked(managed, lambda server: server.load_model("tiny", headers=ALLOWED))
    assert asked(managed, lambda server: server.is_model_ready("tiny"))


def test_load_finds_what_was_put_into_the_repository_since(server: triton.InferenceServerClient, folder: Path) -> None:
    put(folder, "tiny", tiny_models.classifier(seed=3), version=3)
    put(folder, "young", tiny_models.classifier())
    server.load_model("tiny", headers=ALLOWED)
    assert infer(server)["model_version"] == "3"
    assert ("young", "1") not in index(server)
    server.load_model("young", headers=ALLOWED)
    assert infer(server, model="young")["model_name"] == "young"


def test_a_load_that_fails_says_why_and_the_old_version_answers(
    server: triton.InferenceServerClient, folder: Path
) -> None:
    (folder / "tiny" / "3").mkdir()
    (folder / "tiny" / "3" / "model.onnx").write_bytes(b"<html>")
    with pytest.raises(InferenceServerException) as refusal:
        server.load_model("tiny", headers=ALLOWED)
    assert refusal.value.status() == "400"
    assert refusal.value.message().startswith("version 3: model_corrupt: the file is not ONNX")
    assert "version 2" not in refusal.value.message()
    assert infer(server)["model_version"] == "2"
    assert index(server)["tiny", "3"][0] == "UNAVAILABLE"


def test_a_bad_file_in_place_of_a_loaded_one_is_refused_and_the_old_one_answers(
    server: triton.InferenceServerClient, folder: Path
) -> None:
    before = infer(server, "1")
    spoil(folder, 1)
    with pytest.raises(InferenceServerException, match="its new file is refused and the old one answers"):
        server.load_model("tiny", headers=ALLOWED)
    assert infer(server, "1") == before


def test_load_tries_again_what_was_refused(server: triton.InferenceServerClient, folder: Path) -> None:
    server.unload_model("tiny", headers=ALLOWED)
    spoil(folder, 1)
    for _ in range(2):
        with pytest.raises(InferenceServerException, match="version 1: model_corrupt"):
            server.load_model("tiny", headers=ALLOWED)
    sound = tiny_models.classifier().SerializeToString()
    (folder / "tiny" / "1" / "model.onnx").write_bytes(sound)
    server.load_model("tiny", headers=ALLOWED)
    assert infer(server, "1")["model_version"] == "1"


@pytest.mark.parametrize("body", [b"", b"{}", b'{"parameters": {}}', b'{"parameters": null}', b'{"more": 1}'])
def test_the_answer_is_a_200_with_json_whatever_asks_for_nothing_special(managed: httpx.Client, body: bytes) -> None:
    for path in (UNLOAD, LOAD):
        answer = managed.post(path, content=body, headers=ALLOWED)
        assert (answer.status_code, answer.json()) == (200, {})


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        (LOAD, b'{"parameters": {"config": "{}"}}', "config='{}' cannot be used; no request brings a file"),
        (LOAD, b'{"parameters": {"file:1/model.onnx": "AAAA"}}', "file:1/model.onnx='AAAA' cannot be used; no request"),
        (LOAD, b'{"parameters": {"unload_dependents": true}}', "load takes no parameters"),
        (UNLOAD, b'{"parameters": {"config": "{}"}}', "config='{}' cannot be used; unload takes unload_dependents"),
        (UNLOAD, b'{"parameters": {"unload_dependents": "no"}}', "unload_dependents='no' cannot be used; use true or"),
        (LOAD, b"[", 'the body cannot be read; send nothing, or {"parameters": {}}'),
        (UNLOAD, b'{"parameters": []}', "the body cannot be read; send nothing, or"),
        (LOAD, b'{"parameters": {"%s": 1}}' % (b"x" * 9999), "load takes no parameters"),
    ],
)
def test_what_cannot_be_done_is_a_400_and_changes_nothing(
    managed: httpx.Client, path: str, body: bytes, message: str
) -> None:
    answer = managed.post(path, content=body, headers=ALLOWED)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])
    assert message in answer.json()["error"]
    assert len(answer.text) < 400
    assert managed.get("/v2/models/tiny/ready").status_code == 200


def test_the_clients_own_files_and_configuration_are_refused(server: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="put the file into the repository, then load it"):
        server.load_model("tiny", headers=ALLOWED, config="{}", files={"file:1/model.onnx": b"\0"})


@pytest.mark.parametrize("action", ["load", "unload"])
def test_what_the_repository_does_not_have_is_a_404(managed: httpx.Client, action: str) -> None:
    for name in ("tyni", "%2e%2e", "a%20b"):
        answer = managed.post(f"/v2/repository/models/{name}/{action}", headers=ALLOWED)
        assert answer.status_code == 404
        assert "loaded models: tiny" in answer.json()["error"]


@pytest.mark.parametrize("action", ["load_model", "unload_model"])
def test_another_token_or_none_is_a_401_and_changes_nothing(server: triton.InferenceServerClient, action: str) -> None:
    for headers, message in (
        (None, "the request has no token; send one that the service was given"),
        ({"Authorization": "Bearer wrong"}, "the token is none of this service's; "),
    ):
        with pytest.raises(InferenceServerException, match=message) as refusal:
            getattr(server, action)("tiny", headers=headers)
        assert refusal.value.status() == "401"
    assert server.is_model_ready("tiny")


def test_unloading_is_advertised_where_a_token_makes_it_work(server: triton.InferenceServerClient) -> None:
    extensions = server.get_server_metadata()["extensions"]
    assert {"model_repository", "model_repository(unload_dependents)"} <= set(extensions)
