"""Loading and unloading over HTTP."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from service.api.management import everywhere
from service.app import create_app
from service.settings import Settings
from tests import tiny_models
from tests.service.api.conftest import pixels, png, put, served, until

TOKEN = b"a-token-of-this-test"
ALLOWED = {b"Authorization": b"Bearer " + TOKEN}
LOAD, UNLOAD = "/v1/models/tiny/versions/1/load", "/v1/models/tiny/versions/1/unload"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    put(tmp_path, "tiny", tiny_models.classifier())
    return tmp_path


@pytest.fixture
def managed(folder: Path) -> Iterator[httpx.Client]:
    """Nothing is looked at unasked; files are judged in this process, which is faster."""
    settings = Settings(models=folder, provider="cpu", poll_seconds=0, management_tokens=SecretStr(TOKEN.decode()))
    with served(create_app(settings, lambda paths: ((path, None) for path in paths))) as client:
        until(lambda: client.get("/health/ready").status_code == httpx.codes.OK)
        client.headers.update(ALLOWED)
        yield client


def classify(client: httpx.Client) -> httpx.Response:
    return client.post("/v1/models/tiny/classify", content=png(pixels()))


@pytest.mark.parametrize("path", [LOAD, UNLOAD, "/v1/models/reload"])
def test_it_is_off_unless_switched_on_and_says_how(client: httpx.Client, path: str) -> None:
    answer = client.post(path, headers=ALLOWED)
    assert (answer.status_code, answer.json()["code"]) == (403, "management_off")
    assert "FOVEA_MANAGEMENT_TOKENS" in answer.json()["remedy"]


@pytest.mark.parametrize("path", [LOAD, UNLOAD, "/v1/models/reload"])
def test_without_the_token_nothing_happens(managed: httpx.Client, path: str) -> None:
    for sent in (b"", b"Bearer", b"Bearer wrong", b"Basic " + TOKEN, b"Bearer " + TOKEN + b"x", b"Bearer \xe9", TOKEN):
        answer = managed.post(path, headers={b"Authorization": sent})
        assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert classify(managed).status_code == 200


def test_an_unloaded_version_is_a_503_that_says_so_until_it_is_loaded(managed: httpx.Client) -> None:
    (version,) = managed.post(UNLOAD).json()["versions"]
    assert (version["state"], version["sha256"]) == ("unloaded", None)
    refused = classify(managed)
    assert (refused.status_code, refused.json()["code"]) == (503, "model_unavailable")
    assert "it was unloaded" in refused.json()["detail"]
    (version,) = managed.post(LOAD).json()["versions"]
    assert version["state"] == "ready"
    assert classify(managed).status_code == 200


def test_a_version_that_cannot_be_loaded_is_a_422_with_the_reason(managed: httpx.Client, folder: Path) -> None:
    (folder / "tiny" / "2").mkdir()
    (folder / "tiny" / "2" / "model.onnx").write_bytes(b"<html>")
    answer = managed.post("/v1/models/tiny/versions/2/load")
    assert (answer.status_code, answer.json()["code"]) == (422, "model_invalid")
    assert "model_corrupt: the file is not ONNX" in answer.json()["detail"]
    assert classify(managed).json()["version"] == 1


@pytest.mark.parametrize("action", ["load", "unload"])
def test_what_is_not_there_is_a_404(managed: httpx.Client, action: str) -> None:
    for path, code in (
        ("tyni/versions/1", "model_unknown"),
        ("tiny/versions/9", "version_unknown"),
        ("tiny/versions/01", "version_unknown"),
        ("tiny/versions/..%2f", "not_found"),
        ("%2e%2e/versions/1", "model_unknown"),
    ):
        answer = managed.post(f"/v1/models/{path}/{action}")
        assert (answer.status_code, answer.json()["code"]) == (404, code)


def test_a_reload_answers_once_the_new_version_does(managed: httpx.Client, folder: Path) -> None:
    put(folder, "tiny", tiny_models.classifier(seed=2), version=2)
    (model,) = managed.post("/v1/models/reload").json()["models"]
    assert (model["default_version"], model["versions"]) == (2, [2, 1])
    assert classify(managed).json()["version"] == 2


def test_a_pin_that_names_no_version_is_in_the_list(managed: httpx.Client, folder: Path) -> None:
    (folder / "tiny" / "default").write_text("3")
    (item,) = managed.post("/v1/models/reload").json()["ignored"]
    assert item["file"] == "default"
    assert item["reason"].startswith("the default of tiny is version 3, which is not there")


def test_where_nothing_can_run_nothing_is_loaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    settings = Settings(models=folder, provider="cuda", management_tokens=SecretStr(TOKEN.decode()))
    with served(create_app(settings)) as client:
        answer = client.post(LOAD, headers=ALLOWED)
    assert (answer.status_code, answer.json()["code"]) == (503, "model_unavailable")
    assert "FOVEA_PROVIDER=cuda cannot be used" in answer.json()["detail"]


def test_a_token_that_can_be_guessed_is_refused_and_a_good_one_is_never_shown() -> None:
    with pytest.raises(ValidationError, match="at least 16"):
        Settings(management_tokens=SecretStr("short"))
    assert TOKEN.decode() not in repr(Settings(management_tokens=SecretStr(TOKEN.decode())))


def test_who_leaves_before_the_answer_leaves_all_workers_alike() -> None:
    begun, goes_on, repeated = threading.Event(), threading.Event(), []

    def change() -> None:
        begun.set()
        goes_on.wait()

    async def repeat(_: object) -> None:
        repeated.append("everywhere")

    async def body() -> bytes:
        return b""

    async def leaves() -> None:
        request, peers = SimpleNamespace(body=body), SimpleNamespace(repeat=repeat)
        services = SimpleNamespace(workers=SimpleNamespace(peers=peers))
        asking = asyncio.create_task(everywhere(request, services, change))  # type: ignore[arg-type]
        await asyncio.to_thread(begun.wait)
        asking.cancel()
        goes_on.set()
        with pytest.raises(asyncio.CancelledError):
            await asking

    asyncio.run(leaves())
    assert repeated == ["everywhere"]
