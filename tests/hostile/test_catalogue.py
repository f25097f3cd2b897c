"""docs/hostile-input.md and the tests of this folder say the same: every row has its tests, every test its row."""

import importlib
import inspect
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.hostile.rows import CATALOGUE

FOLDER = Path(__file__).parent
PAGE = FOLDER.parents[1] / "docs" / "hostile-input.md"
_ROW = re.compile(r"^\| ([MIQNR]\d*) \| .* \| ([^|]*) \|$", re.MULTILINE)
_TEST = re.compile(r"`(test_\w+\.py::test_\w+)`")


def documented() -> dict[str, set[str]]:
    """The tests that the page names for each row."""
    return {name: set(_TEST.findall(tests)) for name, tests in _ROW.findall(PAGE.read_text())}


def held() -> dict[str, set[str]]:
    """The tests that are parametrised with each row."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted(FOLDER.glob("test_*.py")):
        module = importlib.import_module(f"tests.hostile.{path.stem}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if name.startswith("test_") and function.__module__ == module.__name__:
                for identifier in _rows_of(function):
                    found[identifier].add(f"{path.name}::{name}")
    return found


def _rows_of(function: object) -> Iterator[str]:
    for mark in getattr(function, "pytestmark", ()):
        if mark.name == "parametrize":
            identifiers = (getattr(value, "id", None) for value in mark.args[1])
            yield from (str(one).partition("-")[0] for one in identifiers if one)


def test_the_page_names_every_row_once_and_in_order() -> None:
    assert [name for name, _ in _ROW.findall(PAGE.read_text())] == list(CATALOGUE)


def test_every_row_names_the_tests_that_hold_it_and_no_other() -> None:
    assert documented() == held()
