"""What needs no guard, and stays as it is: Range, Upgrade, preflights, odd paths, Accept. Rows H21 to H27."""

import httpx
import pytest

from tests.service.api.conftest import pixels, png
from tests.service.connections.raw import Address, exchanged, head, post

CLASSIFY = "/v1/models/grey/classify"
CLOSE = "Connection: close"


@pytest.mark.parametrize("path", ["/", "/page/main.js", "/v1/models", "/openapi.json"])
def test_h21_ten_thousand_ranges_are_too_long_a_header(address: Address, path: str) -> None:
    ranges = "Range: bytes=" + ",".join(f"{number}-" for number in range(10_000))
    (found,) = exchanged(address, head(f"GET {path} HTTP/1.1", ranges))
    assert found.problem == (431, "head_too_large")


@pytest.mark.parametrize("path", ["/", "/v1/models", "/openapi.json"])
def test_h21_as_many_ranges_as_a_header_holds_are_ignored_or_refused(address: Address, path: str) -> None:
    ranges = "Range: bytes=" + ",".join(f"{number}-" for number in range(1500))
    (found,) = exchanged(address, head(f"GET {path} HTTP/1.1", ranges, CLOSE))
    assert found.status in {200, 400, 416}


@pytest.mark.parametrize("protocol", ["websocket", "h2c", "TLS/1.3"])
def test_h22_an_upgrade_is_not_heard_and_what_comes_behind_it_is_answered(address: Address, protocol: str) -> None:
    asked = head(
        "GET /health/live HTTP/1.1", "Connection: Upgrade", f"Upgrade: {protocol}", "Sec-WebSocket-Version: 13"
    )
    found = exchanged(address, asked + asked + head("GET /v1/models HTTP/1.1", CLOSE))
    assert [one.status for one in found] == [200, 200, 200]
    assert b'"models"' in found[2].body


def test_h22_a_body_behind_an_upgrade_is_refused_and_never_read_as_a_request(address: Address) -> None:
    inner = head("GET /v1/models HTTP/1.1", CLOSE)
    sent = post(CLASSIFY, inner, "Connection: Upgrade", "Upgrade: h2c")
    (found,) = exchanged(address, sent)
    assert found.problem == (400, "request_malformed")


def test_h26_a_preflight_gets_no_leave(client: httpx.Client) -> None:
    asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    found = client.options(CLASSIFY, headers=asked)
    assert found.status_code == 405
    assert not [name for name in found.headers if name.startswith("access-control-")]


def test_h26_an_answer_to_a_foreign_origin_gives_no_leave_to_read_it(client: httpx.Client) -> None:
    found = client.get("/v1/models", headers={"Origin": "http://evil.example"})
    assert not [name for name in found.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("accept", ["image/png", "text/html", "*/*;q=0", "nonsense", "a/b" + 1000 * ",c/d"])
def test_h25_what_an_answer_is_does_not_depend_on_accept(client: httpx.Client, accept: str) -> None:
    found = client.post(CLASSIFY, content=png(pixels()), headers={"Accept": accept})
    assert (found.status_code, found.headers["content-type"]) == (200, "application/json")


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/%00", 404),
        ("/%zz", 404),
        ("/%", 404),
        ("/%2e%2e/%2e%2e/etc/passwd", 404),
        ("/../../etc/passwd", 404),
        ("//", 404),
        ("//v1/models", 404),
        ("/v1//models", 404),
        ("/v1/models;x=1", 404),
        ("/v1/models/%2e%2e%2fx", 404),
        ("/v1/models/%252e%252e", 404),
        ("/page/../service", 404),
        ("/page/%2e%2e/app.py", 404),
        ("/page/..%2fapp.py", 404),
        ("/v1/models/a%0d%0aX-Forged:%201", 404),
        ("/%f0%9f%92%a9", 404),
        ("/%ff%fe", 404),
        ("http://other.example/v1/models", 200),
        ("http://other.example", 400),
        ("/v1/models?" + "&".join(300 * ["a=b"]), 422),
    ],
)
def test_h27_odd_targets_are_answered_plainly(address: Address, target: str, status: int) -> None:
    (found,) = exchanged(address, head(f"GET {target} HTTP/1.1", CLOSE))
    assert found.status == status, found
    assert "x-forged" not in found.headers


@pytest.mark.parametrize("target", ["*", "example.com:80", "?x=1", "#x", "\\etc", "/a b", "/a\tb", "/ä"])
def test_h27_what_is_no_target_is_refused(address: Address, target: str) -> None:
    (found,) = exchanged(address, head(f"GET {target} HTTP/1.1", CLOSE))
    assert 400 <= found.status < 500, found


def test_h27_a_trailing_slash_leads_nowhere_else_in_circles(client: httpx.Client) -> None:
    found = client.get("/v1/models/", follow_redirects=True)
    assert found.status_code in {200, 404}
    assert len(found.history) <= 1
