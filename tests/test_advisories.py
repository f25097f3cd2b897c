"""No version that an advisory names is locked or tested: tests/advisories.csv says which is the first without it.

The table is kept by hand: the package index's own audit asks servers that a build may not reach, and says then that
nothing was found.
"""

import csv
import re
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.version import Version

from requirements.notices import locked

ROOT = Path(__file__).parent.parent
with (ROOT / "tests" / "advisories.csv").open(newline="") as table:
    ADVISORIES = [(row["package"], row["fixed_in"], row["advisory"]) for row in csv.DictReader(table)]
LOCKS = [path.name for path in sorted((ROOT / "requirements").glob("*.txt"))]


@pytest.mark.parametrize("lock", LOCKS)
def test_no_lock_holds_what_an_advisory_names(lock: str) -> None:
    versions = locked(lock)
    for package, fixed_in, advisory in ADVISORIES:
        for found in versions.get(package, set()):
            assert Version(found) >= Version(fixed_in), f"{advisory}: {package} {found}, fixed in {fixed_in}"


@pytest.mark.parametrize("package", sorted({package for package, _, _ in ADVISORIES}))
def test_every_package_of_the_table_is_locked_or_pinned(package: str) -> None:
    assert package == "torch" or any(package in locked(lock) for lock in LOCKS)


def test_the_torch_that_make_installs_is_none_that_an_advisory_names() -> None:
    (pinned,) = re.findall(r"^TORCH := torch==(.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    floors = [Version(fixed_in) for package, fixed_in, _ in ADVISORIES if package == "torch"]
    assert Version(pinned) >= max(floors)
    assert Version(version("torch")) >= max(floors)


def test_every_row_says_what_it_is_about() -> None:
    stated = re.compile(r"(CVE-\d{4}-\d+|GHSA-|PYSEC-\d{4}-\d+|VA-\d\d-\d+-\d+|release notes)")
    assert [row for row in ADVISORIES if not stated.match(row[2])] == []
