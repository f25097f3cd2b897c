"""docs/python.md is true: its blocks run in order against the service and print what stands under them."""

import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.settings import Settings
from tests.service.api.conftest import ready

PAGE = Path("docs/python.md").read_text()
ADDRESS = "http://127.0.0.1:8000"
PATIENCE = "timeout=30"
_BLOCK = re.compile(r"```python\n(.*?)```\n(?:\n```text\n(.*?)```\n)?", re.DOTALL)


def blocks() -> list[tuple[str, str | None]]:
    """Each with what it is said to print, if anything."""
    return [(code, printed or None) for code, printed in _BLOCK.findall(PAGE)]


def here(code: str, client: httpx.Client) -> str:
    """As it stands, but for where the service is and how long it is waited for: a busy machine is no failure."""
    return code.replace(ADDRESS, str(client.base_url)).replace(PATIENCE, "timeout=None")


@pytest.fixture
def names() -> Iterator[dict[str, Any]]:
    """What the blocks define, one after the other; `fovea` is their client."""
    found: dict[str, Any] = {}
    yield found
    found["fovea"].close()


def test_every_block_prints_what_stands_under_it(names: dict[str, Any]) -> None:
    with ready(Settings(provider="cpu")) as client:
        for code, expected in blocks():
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(here(code, client), names)  # noqa: S102 - our own page
            assert printed.getvalue() == (expected or ""), code


def test_the_page_asks_the_address_at_which_make_serve_answers() -> None:
    assert PAGE.count(ADDRESS) == 1
    assert f":{Settings.model_fields['port'].default}" in ADDRESS


@pytest.mark.parametrize("code", [code for code, _ in blocks()])
def test_a_block_is_narrow_enough_to_be_read_on_the_page(code: str) -> None:
    assert max(map(len, code.splitlines())) <= 120
