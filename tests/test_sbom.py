"""The bill of materials names what the image holds, in CycloneDX's own form, and is the same each time."""

import hashlib
import json
import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from requirements.notices import locked
from requirements.sbom import beside_the_interpreter, debian_packages

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


def test_what_lies_beside_the_interpreter_is_in_an_image_s_bill_with_what_its_pip_has_inside(tmp_path: Path) -> None:
    (tmp_path / "pip-24.0.dist-info").mkdir()
    (tmp_path / "pip-24.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: pip\nVersion: 24.0\n")
    (tmp_path / "pip" / "_vendor").mkdir(parents=True)
    (tmp_path / "pip" / "_vendor" / "vendor.txt").write_text("requests==2.31.0\n    urllib3==1.26.17  # pinned\n")
    assert {one["bom-ref"]: one["purl"] for one in beside_the_interpreter(tmp_path)} == {
        "interpreter:pip@24.0": "pkg:pypi/pip@24.0",
        "pip:requests@2.31.0": "pkg:pypi/requests@2.31.0",
        "pip:urllib3@1.26.17": "pkg:pypi/urllib3@1.26.17",
    }


def test_an_image_s_bill_is_cyclonedx_and_has_more_than_an_environment_s(bill: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "status").write_text(STATUS)
    image = json.loads(printed(str(tmp_path / "status")))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(image)) is None
    base = Path(sysconfig.get_path("purelib", vars={"base": sys.base_prefix, "platbase": sys.base_prefix}))
    added = {one["bom-ref"] for one in image["components"]} - {one["bom-ref"] for one in bill["components"]}
    assert added == {one["bom-ref"] for one in (*debian_packages(STATUS), *beside_the_interpreter(base))}


def test_it_is_cyclonedx(bill: dict[str, Any]) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill)) is None
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill | {"version": "one"})) is not None


def test_the_same_environment_gives_the_same_bytes() -> None:
    assert printed() == printed()


def test_the_image_carries_its_own() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^RUN venv/bin/python -m requirements\.sbom /var/lib/dpkg/status >sbom", dockerfile, re.MULTILINE)
    assert "COPY --from=builder /fovea/sbom.cdx.json ./" in dockerfile
