"""What every answer carries for the browsers of those who read it."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from service.settings import Settings
from tests.service.api.conftest import ready
from tests.service.api.test_entrance import DOORS, asked

DATA = "default-src 'none'; frame-ancestors 'none'"


@pytest.fixture(scope="module")
def guarded(repository: Path) -> Iterator[httpx.Client]:
    settings = {"models": repository, "provider": "cpu", "inference_tokens": SecretStr("a-token-of-this-test")}
    with ready(Settings.model_validate(settings)) as client:
        yield client


def check(answer: httpx.Response, policy: str = DATA) -> None:
    assert answer.headers.get_list("content-security-policy") == [policy]
    assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
    assert answer.headers.get_list("referrer-policy") == ["no-referrer"]
    assert answer.headers.get_list("cross-origin-resource-policy") == ["same-origin"]
    assert "server" not in answer.headers
    assert "x-powered-by" not in answer.headers


@pytest.mark.parametrize("door", list(DOORS))
def test_every_door_gives_them_with_answers_and_refusals(
    client: httpx.Client, guarded: httpx.Client, door: str
) -> None:
    check(asked(client, door))
    check(asked(guarded, door))


@pytest.mark.parametrize(
    "path",
    [
        "/health/live",
        "/metrics",
        "/openapi.json",
        "/v1/models",
        "/v2",
        "/nowhere",
        "/static-offline-docs/swagger-ui.css",
    ],
)
def test_every_route_gives_them(client: httpx.Client, path: str) -> None:
    check(client.get(path))
    check(client.request("PROPFIND", path))


def test_the_page_has_a_policy_of_its_own(client: httpx.Client) -> None:
    for path in ("/", "/page/main.js"):
        answer = client.get(path)
        check(answer, answer.headers["content-security-policy"])
        assert answer.headers["content-security-policy"].startswith("default-src 'self'; ")
        assert "unsafe" not in answer.headers["content-security-policy"]


def test_the_documentation_allows_its_own_scripts_only(client: httpx.Client) -> None:
    policy = client.get("/docs").headers["content-security-policy"]
    (scripts,) = [part for part in policy.split("; ") if part.startswith("script-src ")]
    assert scripts.startswith("script-src 'self' 'sha256-")
    assert "unsafe" not in scripts
    assert "frame-ancestors 'none'" in policy
