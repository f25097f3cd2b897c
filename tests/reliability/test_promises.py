"""docs/reliability.md names all 24 promises, and only tests and scenarios that there are."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "benchmarks/reliability"
SCENARIOS = {path.stem for path in FOLDER.glob("*.py") if "\ndef outcome(" in path.read_text()}
ROWS = re.findall(
    r"^\| (\d+) \| (.+?) \| (.*?) \| (.*?) \| (.*?) \|$", (ROOT / "docs/reliability.md").read_text(), re.MULTILINE
)
TESTS = {
    name
    for path in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)
}


def test_every_promise_stands_once_with_what_was_reached() -> None:
    assert [int(number) for number, *_ in ROWS] == list(range(1, 25))
    for number, _, held_by, _, reached in ROWS:
        assert held_by
        assert reached, f"promise {number}"


@pytest.mark.parametrize(("number", "held_by"), [(number, held_by) for number, _, held_by, *_ in ROWS])
def test_who_holds_a_promise_exists(number: str, held_by: str) -> None:
    for name in re.findall(r"`([^`]+)`", held_by):
        kind, _, scenario = name.partition(" ")
        if kind == "chaos":
            assert scenario in SCENARIOS, f"promise {number}: {name}"
        elif name != "soak":
            assert name in TESTS, f"promise {number}: {name}"


def test_make_chaos_runs_every_scenario() -> None:
    listed = re.findall(r'^    "(\w+)": (\w+)\.outcome,$', (FOLDER / "__main__.py").read_text(), re.MULTILINE)
    assert listed == [(name, name) for name, _ in listed]
    assert {name for name, _ in listed} == SCENARIOS


def test_every_scenario_holds_a_promise() -> None:
    named = {name for *_, held_by, _, _ in ROWS for name in re.findall(r"`chaos (\w+)`", held_by)}
    assert named == set(SCENARIOS)
