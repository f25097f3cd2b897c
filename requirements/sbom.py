"""Prints the bill of materials of the environment that runs it, as CycloneDX 1.6: `python -m requirements.sbom`.

Python packages, the interpreter and the shipped models; with the path of dpkg's status file, as in an image, also
Debian's packages and what lies beside the interpreter: its pip, and the packages inside of that.
The same environment gives the same bytes: no time, no random number. Standard library, so that the image needs no tool.
"""

# ruff: noqa: INP001 - scripts beside the locks, no package

import hashlib
import json
import platform
import re
import sys
import sysconfig
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from requirements.notices import licence
from service import __version__

MODELS = Path("models")

Component = dict[str, Any]


def python_packages() -> Iterator[Component]:
    """Every distribution that can be imported here, by its canonical name."""
    for one in distributions():
        name = re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower()
        stated: dict[str, object] = {"license": {"name": licence(one.metadata)}}  # type: ignore[arg-type]
        if "License-Expression" in one.metadata:
            stated = {"expression": one.metadata["License-Expression"]}
        yield _component("library", name, one.version, f"pkg:pypi/{name}@{one.version}", licenses=[stated])


def beside_the_interpreter(folder: Path) -> Iterator[Component]:
    """The distributions in the site-packages of the Python under this environment, and those inside of its pip.

    Nothing of the service imports them, but they are in the image, and scanners look for them.
    """
    for one in distributions(path=[str(folder)]):
        yield _beside(re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower(), one.version, "interpreter")
    inside = folder / "pip" / "_vendor" / "vendor.txt"
    listed = inside.read_text(encoding="utf-8") if inside.is_file() else ""
    for name, version in re.findall(r"^\s*([\w.-]+)==([\w.]+)", listed, re.MULTILINE):
        yield _beside(name.lower(), version, "pip")


def debian_packages(status: str) -> Iterator[Component]:
    """The installed packages in the text of dpkg's status file."""
    for paragraph in status.split("\n\n"):
        fields = dict(re.findall(r"^([\w-]+): (.*)$", paragraph, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed"):
            name, version = fields["Package"], fields["Version"]
            purl = f"pkg:deb/debian/{name}@{version.replace('+', '%2B')}?arch={fields['Architecture']}"
            yield _component("library", name, version, purl)


def models(folder: Path) -> Iterator[Component]:
    """The model files of a repository, each with the SHA-256 of its bytes."""
    for path in sorted(folder.glob("*/*/model.onnx")):
        name, version = path.parts[-3:-1]
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        hashes = [{"alg": "SHA-256", "content": digest}]
        yield _component("machine-learning-model", name, version, f"model:{name}@{version}", hashes=hashes)


def bill(components: list[Component]) -> dict[str, Any]:
    """The document; its serial number is that of these components."""
    components = sorted(components, key=lambda component: str(component["bom-ref"]))
    serial = uuid5(NAMESPACE_URL, json.dumps(components))
    fovea = _component("application", "fovea", __version__, f"pkg:generic/fovea@{__version__}")
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"component": fovea},
        "components": components,
    }


def _component(kind: str, name: str, version: str, reference: str, **more: object) -> Component:
    purl = {"purl": reference} if reference.startswith("pkg:") else {}
    return {"type": kind, "bom-ref": reference, "name": name, "version": version, **purl, **more}


def _beside(name: str, version: str, where: str) -> Component:
    """A reference of its own: the environment may hold the same version."""
    within = [{"name": "fovea:inside", "value": where}]
    purl = f"pkg:pypi/{name}@{version}"
    return _component("library", name, version, f"{where}:{name}@{version}", purl=purl, properties=within)


def _interpreter() -> Component:
    version = platform.python_version()
    return _component("platform", "cpython", version, f"pkg:generic/cpython@{version}")


def main(arguments: list[str]) -> None:
    system = [debian for path in arguments for debian in debian_packages(Path(path).read_text(encoding="utf-8"))]
    if arguments:
        below = sysconfig.get_path("purelib", vars={"base": sys.base_prefix, "platbase": sys.base_prefix})
        system += beside_the_interpreter(Path(below))
    json.dump(bill([*python_packages(), _interpreter(), *models(MODELS), *system]), sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main(sys.argv[1:])
