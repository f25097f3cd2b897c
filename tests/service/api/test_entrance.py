"""Tokens, roles and quotas as clients meet them, at every door: the express door, the fast lane and the routes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from service.api.entrance import OPEN, OPEN_FOLDERS
from service.api.express import Desk, _Asked
from service.app import create_app
from service.errors import InvalidTokenError
from service.settings import Settings
from tests.service.api.conftest import pixels, png, ready, served, until

WORKER, CHIEF = "the-token-of-a-worker", "the-token-of-the-chief"
URL = "/v1/models/grey/classify"
PICTURE = png(pixels())
# The express door takes the first, the fast lane the second, the route the third.
DOORS: dict[str, dict[str, Any]] = {
    "express": {"url": URL, "content": PICTURE},
    "lane": {"url": URL, "content": png(pixels(side=300))},
    "route": {"url": f"{URL}?&", "content": PICTURE},
    "v2": {"url": "/v2/models/grey/infer", "content": PICTURE, "headers": {"Inference-Header-Content-Length": "0"}},
}
UNLOAD = "/v1/models/grey/versions/1/unload"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def asked(client: httpx.Client, door: str, token: str | None = None, **headers: str) -> httpx.Response:
    request = dict(DOORS[door])
    sent = request.pop("headers", {}) | (bearer(token) if token else {}) | headers
    return client.post(request.pop("url"), headers=sent, **request)


@pytest.fixture(scope="module")
def guarded(repository: Path) -> Iterator[httpx.Client]:
    tokens: dict[str, Any] = {"inference_tokens": SecretStr(WORKER), "management_tokens": SecretStr(CHIEF)}
    with ready(Settings(models=repository, provider="cpu", poll_seconds=0, **tokens)) as client:
        yield client


@pytest.mark.parametrize("door", list(DOORS))
def test_every_door_wants_a_token_once_there_are_some(guarded: httpx.Client, door: str) -> None:
    for token in (WORKER, CHIEF):
        assert asked(guarded, door, token).status_code == 200
    for wrong in (None, "wrong", WORKER[:-1], WORKER + "x", WORKER.upper()):
        answer = asked(guarded, door, wrong)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert WORKER not in answer.text


@pytest.mark.parametrize("sent", ["", "Bearer", f"Basic {WORKER}", WORKER, f"Token {WORKER}", "Bearer \xe9"])
def test_a_header_that_is_no_bearer_token_is_a_401(guarded: httpx.Client, sent: str) -> None:
    for request in DOORS.values():
        headers = {b"Authorization": sent.encode("latin-1")}
        assert guarded.post(request["url"], content=request["content"], headers=headers).status_code == 401


def test_two_tokens_in_one_request_are_none(guarded: httpx.Client) -> None:
    headers = [("Authorization", f"Bearer {WORKER}"), ("Authorization", "Bearer other")]
    for door in DOORS.values():
        assert guarded.post(door["url"], content=door["content"], headers=headers).status_code == 401


def test_the_scheme_may_be_written_as_one_likes(guarded: httpx.Client) -> None:
    for door in DOORS:
        assert asked(guarded, door, None, Authorization=f"bearer  {WORKER}").status_code == 200


def test_a_worker_may_not_manage_and_the_chief_may_do_both(guarded: httpx.Client) -> None:
    for path in (UNLOAD, "/v1/models/reload", "/v2/repository/models/grey/load"):
        answer = guarded.post(path, headers=bearer(WORKER))
        assert answer.status_code == 403
        assert "the token is for inference, not for management" in answer.text
    assert guarded.post("/v1/models/reload", headers=bearer(CHIEF)).status_code == 200


def test_whatever_is_not_named_as_open_wants_a_token(guarded: httpx.Client) -> None:
    app = create_app(Settings())
    paths = {str(getattr(route, "path", "")) for route in app.routes} | set(app.openapi()["paths"])
    paths |= {"/metrics", "/v2", "/nowhere", "/v1/models/", "/V1/models", "//v1/models", "/page", "/docs/", "/health"}
    for path in sorted(paths - {""}):
        is_open = path in OPEN or path.startswith(OPEN_FOLDERS)
        for method in ("GET", "POST", "PUT", "OPTIONS"):
            assert (guarded.request(method, path).status_code == 401) == (not is_open), (method, path)


def test_what_is_open_tells_nothing_of_the_models(guarded: httpx.Client) -> None:
    for path in ("/", "/docs", "/openapi.json", "/health/live", "/v2/health/ready", "/page/main.js"):
        answer = guarded.get(path)
        assert answer.status_code == 200
        assert "upscaler" not in answer.text
        assert "broken" not in answer.text
    assert "broken version 1" in guarded.get("/health/ready", headers=bearer(WORKER)).text


def test_without_tokens_all_but_management_is_open(client: httpx.Client) -> None:
    for door in DOORS:
        assert asked(client, door).status_code == 200
        assert asked(client, door, "whatever-it-may-be-0").status_code == 200
    assert client.post(UNLOAD).json()["code"] == "management_off"


def test_with_tokens_for_management_alone_questions_stay_open(repository: Path) -> None:
    settings = Settings(models=repository, provider="cpu", management_tokens=SecretStr(CHIEF))
    with ready(settings) as client:
        assert asked(client, "express").status_code == 200
        assert client.post("/v1/models/reload", headers=bearer(CHIEF)).status_code == 200
        assert client.post("/v1/models/reload", headers=bearer(WORKER)).status_code == 401


def test_who_may_not_ask_is_not_told_how_many_wait(repository: Path) -> None:
    """A large body is refused by the application, which does not read it: the door only notes why."""
    desk = Desk(create_app(Settings(models=repository, inference_tokens=SecretStr(WORKER))))
    asked = _Asked("grey", None, 1, b"", 10_000_000, "id", keep_alive=True)
    assert desk.refuses(asked) is None
    assert asked.admission
    assert isinstance(asked.admission.error, InvalidTokenError)


def test_a_body_that_nobody_may_send_is_not_read(guarded: httpx.Client) -> None:
    answer = guarded.post(URL, content=b"x" * 1_000_000)
    assert (answer.status_code, answer.headers["connection"]) == (401, "close")


def test_a_new_token_file_is_taken_up_while_it_runs_and_the_old_token_ends(repository: Path, tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(WORKER)
    with ready(Settings(models=repository, provider="cpu", inference_tokens_file=file)) as client:
        assert asked(client, "express", WORKER).status_code == 200
        file.write_text(f"{WORKER}\n{CHIEF}")
        until(lambda: asked(client, "express", CHIEF).status_code == 200)
        assert asked(client, "route", WORKER).status_code == 200
        file.write_text(CHIEF)
        until(lambda: asked(client, "express", WORKER).status_code == 401)
        assert asked(client, "lane", CHIEF).status_code == 200


def test_openapi_says_what_a_guarded_service_wants(guarded: httpx.Client) -> None:
    paths = guarded.get("/openapi.json").json()["paths"]
    operation = paths["/v1/models/{model}/classify"]["post"]
    assert operation["security"] == [{"HTTPBearer": []}]
    assert "401" in operation["responses"]
    assert "security" not in paths["/health/live"]["get"]


def test_an_openapi_tool_finds_nothing_of_that_where_nothing_is_wanted(client: httpx.Client) -> None:
    operation = client.get("/openapi.json").json()["paths"]["/v1/models/{model}/classify"]["post"]
    assert "security" not in operation
    assert not {"401", "429"} & set(operation["responses"])


# --- the quota


@pytest.fixture
def rationed(repository: Path) -> Iterator[httpx.Client]:
    """Four requests at once, then one every 1,000 seconds."""
    settings = {"models": repository, "provider": "cpu", "quota_per_second": 0.001, "quota_burst": 4}
    with ready(Settings.model_validate(settings | {"trusted_proxies": "127.0.0.1"})) as client:
        yield client


@pytest.mark.parametrize("door", list(DOORS))
def test_who_asks_too_often_is_refused_at_every_door_and_told_when_to_come_again(
    rationed: httpx.Client, door: str
) -> None:
    left = [asked(rationed, door).headers["ratelimit"] for _ in range(4)]
    assert [one.split(";")[:2] for one in left] == [['"default"', f"r={3 - number}"] for number in range(4)]
    refused = asked(rationed, door)
    assert refused.status_code == 429
    assert refused.headers["ratelimit-policy"] == '"default";q=4;w=4000'
    assert refused.headers["ratelimit"].startswith('"default";r=0;t=')
    assert 1 <= int(refused.headers["retry-after"]) <= 1000
    if door != "v2":
        assert refused.json()["code"] == "quota_exceeded"


def test_all_doors_take_from_one_bucket_once_for_each_request(rationed: httpx.Client) -> None:
    statuses = [asked(rationed, door).status_code for door in (*DOORS, *DOORS)]
    assert statuses == [200] * 4 + [429] * 4


def test_a_request_that_the_express_door_passes_on_costs_one(rationed: httpx.Client) -> None:
    answers = [rationed.post(URL, content=b"no image") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [415] * 4 + [429]
    assert answers[0].headers["ratelimit"].startswith('"default";r=3;')


def test_probes_and_the_page_cost_nothing(rationed: httpx.Client) -> None:
    for _ in range(10):
        assert rationed.get("/health/ready").status_code == rationed.get("/page/main.js").status_code == 200
    assert "r=3" in asked(rationed, "express").headers["ratelimit"]


def test_each_client_behind_a_named_proxy_has_its_own_quota(rationed: httpx.Client) -> None:
    for address in ("198.51.100.1", "198.51.100.2", "2001:db8::1"):
        statuses = [asked(rationed, door, **{"X-Forwarded-For": address}).status_code for door in (*DOORS, "route")]
        assert statuses == [200] * 4 + [429]


def test_an_invented_address_is_not_believed_of_anybody_else(repository: Path) -> None:
    settings = Settings(models=repository, provider="cpu", quota_per_second=0.001, quota_burst=4)
    with ready(settings) as client:
        statuses = [
            asked(client, door, **{"X-Forwarded-For": f"198.51.100.{number}"}).status_code
            for number, door in enumerate((*DOORS, *DOORS))
        ]
    assert statuses == [200] * 4 + [429] * 4


def test_tokens_have_quotas_of_their_own_and_a_wrong_one_costs_its_address(repository: Path) -> None:
    tokens: dict[str, Any] = {"inference_tokens": SecretStr(WORKER), "management_tokens": SecretStr(CHIEF)}
    with ready(Settings(models=repository, provider="cpu", quota_per_second=0.001, quota_burst=4, **tokens)) as client:
        for token in (WORKER, CHIEF):
            assert [asked(client, door, token).status_code for door in (*DOORS, "express")] == [200] * 4 + [429]
        assert [asked(client, door, "wrong").status_code for door in (*DOORS, "express")] == [401] * 4 + [429]


def test_a_service_without_a_quota_says_nothing_of_one(client: httpx.Client) -> None:
    for door in DOORS:
        assert "ratelimit" not in asked(client, door).headers


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("trusted_proxies", "10.0.0.0/33", "does not appear to be an IPv4 or IPv6 network"),
        ("cors_origins", "https://example.org/path", "is no origin"),
        ("cors_origins", "example.org", "is no origin"),
    ],
)
def test_a_setting_that_names_nothing_is_refused(name: str, value: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings.model_validate({name: value})


# --- who else may ask: pages of other origins

ORIGIN = "https://example.org"


@pytest.fixture(scope="module")
def shared(repository: Path) -> Iterator[httpx.Client]:
    tokens: dict[str, Any] = {"inference_tokens": SecretStr(WORKER)}
    with ready(Settings(models=repository, provider="cpu", cors_origins=f"{ORIGIN}, https://b.example", **tokens)) as c:
        yield c


@pytest.mark.parametrize("door", list(DOORS))
def test_no_page_of_another_origin_reads_anything_unless_it_is_named(
    client: httpx.Client, shared: httpx.Client, door: str
) -> None:
    assert "access-control-allow-origin" not in asked(client, door, Origin=ORIGIN).headers
    named = asked(shared, door, WORKER, Origin=ORIGIN)
    assert (named.status_code, named.headers["access-control-allow-origin"]) == (200, ORIGIN)
    assert "access-control-allow-origin" not in asked(shared, door, WORKER, Origin="https://evil.example").headers
    assert "access-control-allow-credentials" not in named.headers


def test_a_refusal_is_read_by_a_named_origin_too(shared: httpx.Client) -> None:
    refused = asked(shared, "express", None, Origin=ORIGIN)
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, ORIGIN)


def test_a_preflight_needs_no_token_and_answers_named_origins_only(client: httpx.Client, shared: httpx.Client) -> None:
    asking = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    allowed = shared.options(URL, headers=asking)
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, ORIGIN)
    for answer in (
        shared.options(URL, headers=asking | {"Origin": "https://evil.example"}),
        client.options(URL, headers=asking),
    ):
        assert "access-control-allow-origin" not in answer.headers


# --- what is switched off


def test_documentation_and_metrics_may_be_switched_off(repository: Path) -> None:
    with served(create_app(Settings(models=repository, provider="cpu", docs=False, metrics=False))) as client:
        for path in ("/docs", "/openapi.json", "/static-offline-docs/swagger-ui.css", "/metrics"):
            answer = client.get(path)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
            assert answer.json()["remedy"] == "see docs/api.md of the project for what there is"
        assert client.get("/health/live").status_code == 200
