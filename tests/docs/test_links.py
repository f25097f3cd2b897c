"""Links of the pages lead somewhere: to a file that is there, and to a heading that it has."""

import re
from pathlib import Path

import pytest

from tests.docs.reference import anchor
from tests.docs.workbench import ROOT

PAGES = [ROOT / "README.md", ROOT / "README.ko.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_every_link_leads_to_what_is_there(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        place, _, heading = link.partition("#")
        if not place.startswith(("http://", "https://")):
            target = page.parent / place if place else page
            assert target.exists(), f"{page.name}: {link}"
            assert not heading or heading in headings(target), f"{page.name}: {link}"


def test_every_page_is_on_the_map() -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    for page in PAGES[2:]:
        assert page.name == "index.md" or f"]({page.name})" in index, page.name


def test_every_picture_is_shown() -> None:
    text = "".join(page.read_text() for page in PAGES)
    for picture in (ROOT / "docs" / "pictures").iterdir():
        assert f"pictures/{picture.name})" in text, picture.name


def headings(page: Path) -> set[str]:
    return {anchor(heading) for heading in re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)}
