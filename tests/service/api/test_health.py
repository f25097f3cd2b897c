from pathlib import Path

import httpx

from service.app import create_app
from service.settings import Settings
from tests.service.api.conftest import ready, served


def test_the_process_is_live_and_ready_and_names_what_it_refused(client: httpx.Client) -> None:
    assert client.get("/health/live").json()["status"] == "live"
    answer = client.get("/health/ready")
    assert answer.status_code == 200
    (reason,) = answer.json()["reasons"]
    assert reason.startswith("broken version 1: model_corrupt")


def test_an_empty_repository_is_live_but_never_ready(tmp_path: Path) -> None:
    with served(create_app(Settings(models=tmp_path / "none", provider="cpu"))) as client:
        answer = client.get("/health/ready")
        assert answer.status_code == 503
        assert answer.json()["status"] == "not ready"
        assert client.get("/health/live").status_code == 200


def test_cuda_that_cannot_be_had_is_not_ready_with_the_reason_and_never_the_cpu(repository: Path) -> None:
    with served(create_app(Settings(models=repository, provider="cuda"))) as client:
        answer = client.get("/health/ready")
        assert answer.status_code == 503
        assert "FOVEA_PROVIDER=cuda cannot be used" in answer.json()["reasons"][0]
        listing = client.get("/v1/models").json()
        assert (listing["provider"], listing["models"]) == (None, [])


def test_the_service_works_behind_a_prefix(repository: Path) -> None:
    with ready(Settings(models=repository, root_path="/vision", provider="cpu")) as client:
        assert client.get("/vision/health/ready").status_code == 200
        assert "/vision/openapi.json" in client.get("/vision/docs").text
        assert "page/main.js" in client.get("/vision/").text
        assert client.get("/vision", follow_redirects=True).url.path == "/vision/"
