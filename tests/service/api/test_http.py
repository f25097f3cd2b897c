"""What every answer has in common, and what is no route at all."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from service.app import create_app
from service.settings import Settings
from tests.service.api.conftest import served

if TYPE_CHECKING:
    from fastapi import FastAPI

GOLDEN = Path(__file__).parents[2] / "golden" / "openapi.json"


def test_the_published_interface_is_the_golden_one() -> None:
    """Written anew by `make golden` where a change is meant."""
    assert create_app(Settings()).openapi() == json.loads(GOLDEN.read_text())


def test_the_documentation_loads_nothing_from_elsewhere(client: httpx.Client) -> None:
    page = client.get("/docs").text
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert sources
    for source in sources:
        assert source.startswith("/")
        assert client.get(source).status_code == 200


def test_every_status_a_route_documents_as_a_problem_has_the_schema(client: httpx.Client) -> None:
    schema = client.get("/openapi.json").json()
    problem = schema["components"]["schemas"]["Problem"]
    assert set(problem["required"]) >= {"type", "title", "status", "detail", "remedy", "code"}


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("PUT", "/v1/models", 405)])
def test_what_is_no_route_is_a_problem_too(client: httpx.Client, method: str, path: str, status: int) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["instance"] == path


def test_a_method_that_a_route_lacks_names_those_it_has(client: httpx.Client) -> None:
    assert client.put("/v1/models").headers["allow"] == "GET"
    assert client.put("/v1/models/reload").headers["allow"] == "POST"


def test_a_request_id_is_kept_where_it_is_well_formed(client: httpx.Client) -> None:
    assert client.get("/health/live", headers={"X-Request-ID": "abc-1"}).headers["X-Request-ID"] == "abc-1"
    for forged in ("a b", "x" * 65, "a\tb"):
        given = client.get("/health/live", headers={"X-Request-ID": forged}).headers["X-Request-ID"]
        assert re.fullmatch(r"[0-9a-f]{32}", given)


def test_a_defect_of_ours_is_a_500_without_a_traceback(repository: Path) -> None:
    app: FastAPI = create_app(Settings(models=repository, provider="cpu"))

    @app.get("/defect")
    async def defect() -> None:
        raise RuntimeError("secret")

    with served(app) as client:
        answer = client.get("/defect", headers={"X-Request-ID": "abc"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "secret" not in answer.text
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"] == "abc"
