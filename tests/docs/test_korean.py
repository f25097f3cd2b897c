"""README.ko.md says what README.md says: the same commands, endpoints, settings, numbers and links."""

import re
from collections import Counter

import pytest

from tests.docs.markdown import fences
from tests.docs.workbench import ROOT

ENGLISH, KOREAN = ((ROOT / name).read_text() for name in ("README.md", "README.ko.md"))
OWN_LINKS = {"README.md", "README.ko.md"}  # each may lead to the other


def commands(text: str) -> list[str]:
    """Every line of every block without its comment, which is prose."""
    lines = [line for fence in fences(text) for line in fence.text.splitlines()]
    return [re.sub(r"\s+# .*$", "", line) for line in lines]


def test_the_commands_and_answers_are_the_same() -> None:
    assert commands(KOREAN) == commands(ENGLISH)


def test_the_headings_are_as_many_in_the_same_order() -> None:
    assert [len(one) for one in re.findall(r"^(#+) ", KOREAN, re.MULTILINE)] == [
        len(one) for one in re.findall(r"^(#+) ", ENGLISH, re.MULTILINE)
    ]


@pytest.mark.parametrize("pattern", [r"`(?:GET|POST) [^`]+`", r"^\| `FOVEA_\w+`"], ids=["endpoints", "settings"])
def test_the_tables_have_the_same_rows_in_the_same_order(pattern: str) -> None:
    found = re.findall(pattern, KOREAN, re.MULTILINE)
    assert found
    assert found == re.findall(pattern, ENGLISH, re.MULTILINE)


def test_all_that_is_code_is_the_same_in_every_row_and_elsewhere() -> None:
    assert Counter(code(KOREAN)) == Counter(code(ENGLISH))


def code(text: str) -> list[str]:
    """What stands between backticks, outside of blocks; prose in it is none."""
    return re.findall(r"`([^`\n]+)`", prose(text))


def prose(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def test_the_numbers_are_the_same() -> None:
    assert Counter(numbers(KOREAN)) == Counter(numbers(ENGLISH))


def numbers(text: str) -> list[str]:
    """Those of the prose and the tables, words for small ones aside; with their unit where it is one of size."""
    plain = re.sub(r"`[^`\n]+`|\]\([^)]*\)", "", prose(text))
    return re.findall(r"\d[\d,.]*\d(?: MiB| %)?|\d(?: MiB| %)?", plain)


def test_the_links_lead_to_the_same_places() -> None:
    found, expected = (Counter(re.findall(r"\]\(([^)]+)\)", text)) for text in (KOREAN, ENGLISH))
    assert {k: v for k, v in found.items() if k not in OWN_LINKS} == {
        k: v for k, v in expected.items() if k not in OWN_LINKS
    }
