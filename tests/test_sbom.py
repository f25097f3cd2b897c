"""The bill of materials names what the image holds, in CycloneDX's own form, and is the same each time."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from requirements.notices import locked
from requirements.sbom import debian_packages

ROOT = Path(__file__).parent.parent
STATUS = """\
Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u13

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1.0
"""


def printed(*arguments: str) -> str:
    command = [sys.executable, "-m", "requirements.sbom", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S603


@pytest.fixture(scope="module")
def bill() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(printed())
    return read


def test_every_package_of_the_lock_is_in_it_with_its_version(bill: dict[str, Any]) -> None:
    named = {(one["name"], one["version"]) for one in bill["components"] if one["bom-ref"].startswith("pkg:pypi/")}
    for name, versions in locked("cpu.txt").items():
        assert any((name, version) in named for version in versions), name


def test_every_package_states_its_licence(bill: dict[str, Any]) -> None:
    for one in bill["components"]:
        if one["name"] in locked("cpu.txt"):
            assert one["licenses"] != [{"license": {"name": "not stated"}}], one["name"]


def test_every_shipped_model_is_in_it_with_the_sum_of_its_bytes(bill: dict[str, Any]) -> None:
    stated = {
        (one["name"], one["version"]): one["hashes"]
        for one in bill["components"]
        if one["type"] == "machine-learning-model"
    }
    assert stated == {
        (path.parts[-3], path.parts[-2]): [{"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}]
        for path in (ROOT / "models").glob("*/*/model.onnx")
    }


def test_debian_s_installed_packages_are_in_it_where_it_is_told_of_them(tmp_path: Path) -> None:
    (tmp_path / "status").write_text(STATUS)
    found = [one for one in json.loads(printed(str(tmp_path / "status")))["components"] if "pkg:deb" in one["bom-ref"]]
    assert found == list(debian_packages(STATUS))
    assert [one["purl"] for one in found] == ["pkg:deb/debian/libc6@2.36-9%2Bdeb12u13?arch=amd64"]


def test_it_is_cyclonedx(bill: dict[str, Any]) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill)) is None
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill | {"version": "one"})) is not None


def test_the_same_environment_gives_the_same_bytes() -> None:
    assert printed() == printed()


def test_the_image_carries_its_own() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^RUN venv/bin/python -m requirements\.sbom /var/lib/dpkg/status >sbom", dockerfile, re.MULTILINE)
    assert "COPY --from=builder /fovea/sbom.cdx.json ./" in dockerfile
