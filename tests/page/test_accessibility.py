"""axe-core finds no serious fault, in light and in dark, wide and narrow."""

from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Page, expect

AXE = Path("tests/page/node_modules/axe-core/axe.min.js")


def serious_faults(page: Page) -> list[str]:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: tests/page/install.sh installs it")
    page.evaluate(AXE.read_text())
    found: dict[str, Any] = page.evaluate("axe.run()")
    return [
        f"{fault['id']}: {fault['help']}: {fault['nodes'][0]['html'][:200]}"
        for fault in found["violations"]
        if fault["impact"] in {"serious", "critical"}
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1360, 390])
@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_page_has_no_serious_fault(page: Page, scheme: Literal["light", "dark"], width: int, language: str) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"#model=mnist&picture=sample:seven&language={language}")
    expect(page.locator("a.card").first).to_be_visible()
    expect(page.locator(".bars .best")).to_have_count(1)
    assert serious_faults(page) == []
