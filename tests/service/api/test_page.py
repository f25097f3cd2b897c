"""The page's files as the service gives them: a browser is not asked here, see tests/page."""

import re

import httpx
import pytest

from service.api.page import FOLDER


def test_the_front_page_is_html_that_a_strict_policy_allows(client: httpx.Client) -> None:
    answer = client.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'self'; ")
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert re.findall(r"<script(?![^>]*\bsrc=)|\bstyle=|\bon\w+=", answer.text) == []


def test_whatever_the_front_page_names_is_there(client: httpx.Client) -> None:
    named = re.findall(r'(?:src|href)="([^"]+)"', client.get("/").text)
    assert "page/main.js" in named
    for path in named:
        assert not path.startswith(("/", "http"))  # relative: it may stand behind any prefix
        assert client.get(f"/{path}").status_code == 200


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("main.js", "text/javascript; charset=utf-8"),
        ("style.css", "text/css; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
        ("samples/seven.png", "image/png"),
    ],
)
def test_a_file_has_its_media_type(client: httpx.Client, path: str, media_type: str) -> None:
    assert client.get(f"/page/{path}").headers["content-type"] == media_type


def test_a_browser_that_has_a_file_is_told_so(client: httpx.Client) -> None:
    answer = client.get("/page/main.js")
    assert answer.headers["cache-control"] == "no-cache"
    again = client.get("/page/main.js", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["nothing.js", "../api/page.py", "%2e%2e/api/page.py", "", "i18n"])
def test_nothing_but_the_folder_s_files_is_given(client: httpx.Client, path: str) -> None:
    answer = client.get(f"/page/{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_every_module_imports_only_what_is_beside_it() -> None:
    for module in FOLDER.rglob("*.js"):
        for path in re.findall(r"(?:from|import\()\s*'([^']+)'", module.read_text()):
            assert (module.parent / path).is_file(), f"{module.name} imports {path}"
