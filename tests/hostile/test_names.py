"""Row N: names and versions that lead nowhere. All are 404 with one sentence, and none reaches the disk."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.hostile.conftest import PICTURE, code_of
from tests.hostile.rows import row

# As they stand in the URL's path, after the client's own encoding.
NAMES = [
    "../etc",
    "a/../b",
    "../../etc/passwd",
    "model/..",
    "..",
    ".",
    "%20..",
    "..%20",
    "grey/",
    "/etc/passwd",
    "%2e%2e%2f",
    "%252e%252e%252f",
    "..%5c..%5c",
    "a%00b",
    "grey%00",
    "x" * 256,
    "x" * 10_000,
    "",
    "%20",
    "%09",
    quote("．．"),  # U+FF0E, the full stop of full width
    quote("\u202eyerg"),
    quote("🙈"),
    "%ff%fe",
    "CON",
    "-rf",
    "__proto__",
    "GREY",
    "Grey",
    ".git",
    "grey.onnx",
    "model..1",
    "file:%2f%2f%2fetc%2fpasswd",
    "https:%2f%2fexample.org%2fx",
    "{{7*7}}",
    "%25s%25n",
    "';DROP%20TABLE%20models;--",
]
VERSIONS = [
    "0",
    "-1",
    "01",
    "1e3",
    "latest",
    str(2**63),
    "1.0",
    "+1",
    "1%20",
    "%001",
    "١",
    "x" * 1000,
    "..",
    "1%2f..%2f1",
]


def _path(name: str, version: str | None = None) -> str:
    return f"/v1/models/{name}" + (f"/versions/{version}" if version is not None else "") + "/classify"


@contextmanager
def opened_files() -> Iterator[list[str]]:
    """What this process opens meanwhile, the service in its thread included. An audit hook cannot be taken away."""
    found: list[str] = []
    watching = True

    def heard(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event == "open":
            found.append(str(arguments[0]))

    sys.addaudithook(heard)
    yield found
    watching = False


@pytest.mark.parametrize("name", [row("N", name[:24], name) for name in NAMES])
def test_a_name_that_nobody_has_is_a_404(client: httpx.Client, name: str) -> None:
    """Sent as it is: a client's own library would tidy `..` away."""
    answer = client.send(_unchanged(client, _path(name)))
    status, code = code_of(answer)
    assert (status, code) in {(404, "model_unknown"), (404, "not_found"), (414, "target_too_long")}
    assert len(answer.content) < 1500
    assert b"/tmp" not in answer.content  # where the repository lies


@pytest.mark.parametrize("version", [row("N", f"version {version[:24]}", version) for version in VERSIONS])
def test_a_version_that_is_not_there_is_a_404(client: httpx.Client, version: str) -> None:
    answer = client.send(_unchanged(client, _path("grey", quote(version, safe="%"))))
    assert code_of(answer) in {(404, "version_unknown"), (404, "not_found")}
    assert len(answer.content) < 1500


@pytest.mark.parametrize("what", [row("N", "every name and version", (NAMES, VERSIONS))])
def test_no_name_reaches_the_disk(client: httpx.Client, what: tuple[list[str], list[str]], repository: Path) -> None:
    names, versions = what
    with opened_files() as opened:
        for name in names:
            client.send(_unchanged(client, _path(name)))
        for version in versions:
            client.send(_unchanged(client, _path("grey", quote(version, safe="%"))))
    assert not [path for path in opened if not path.startswith(str(repository)) and "passwd" in path]
    assert not [path for path in opened if path.endswith(".onnx")]


@pytest.mark.parametrize(
    "protocol", [row("N", "V2", "/v2/models/..%2f..%2fetc/infer"), row("N", "V2 index", "/v2/models/x")]
)
def test_the_other_protocol_answers_as_it_does_to_any_unknown_name(client: httpx.Client, protocol: str) -> None:
    answer = client.send(_unchanged(client, protocol))
    assert answer.status_code in {404, 405}
    assert set(answer.json()) == {"error"}


@pytest.mark.parametrize("slash", [row("N", "a slash behind a route", "/v1/models/grey/")])
def test_a_slash_too_many_is_no_redirect(client: httpx.Client, slash: str) -> None:
    """A redirect would repeat whatever Host the client sent."""
    answer = client.get(slash, headers={"Host": "evil.example"})
    assert (answer.status_code, "location" in answer.headers) == (404, False)


def _unchanged(client: httpx.Client, path: str) -> httpx.Request:
    request = client.build_request("POST", "/", content=PICTURE)
    request.extensions = {**request.extensions, "target": path.encode("ascii", "ignore")}
    return request
