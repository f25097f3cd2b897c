"""Chooses the runtime for this machine: prints `cpu`, `gpu` or `openvino`, and says on stderr why.

Looks at the NVIDIA driver only; knows nothing of pip or of the service. Standard library, and syntax that
Python 3.8 reads, so that an old python3 reaches the clear sentence of interpreter.py.
"""

# ruff: noqa: INP001 - scripts beside the locks, no package

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

# CUDA 13.x, which onnxruntime-gpu is built for, needs driver branch 580 or newer:
# https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html, table 1.
MINIMUM_DRIVER = 580

RUNTIMES = ("cpu", "gpu", "openvino")  # the last is never chosen, only asked for

_VERSION = re.compile(r"\b(\d{3,})(?:\.\d+)+")


class ChoiceError(Exception):
    """EXTRA names no runtime."""


def driver_version(text: str) -> str | None:
    """The first driver version in what nvidia-smi or the kernel module says of itself, such as 580.95.05, or None."""
    found = _VERSION.search(text)
    return found.group() if found else None


def chosen(override: str, driver: str | None) -> tuple[str, str]:
    """The runtime and the reason, from EXTRA (empty: not set) and the driver's version; raises ChoiceError."""
    if override in RUNTIMES:
        return override, f"EXTRA={override} is set"
    if override:
        known = ", ".join(f"EXTRA={name}" for name in RUNTIMES)
        raise ChoiceError(f"EXTRA={override!r} names no runtime; set one of {known}, or leave it out")
    if driver is None:
        return "cpu", "no NVIDIA driver answers here"
    if int(driver.split(".")[0]) < MINIMUM_DRIVER:
        return (
            "cpu",
            f"the NVIDIA driver is {driver} and CUDA 13 needs {MINIMUM_DRIVER} or newer; update it for gpu",
        )
    return "gpu", f"the NVIDIA driver is {driver} (CUDA 13 needs {MINIMUM_DRIVER} or newer)"


def installed_driver(told: str, kernel_module: Path, device: Path) -> str | None:
    """The version of the driver in use, from what nvidia-smi `told`, else from the kernel module's file.

    A container shows the host's `kernel_module` file even where no GPU was given to it, so that file counts only
    beside the `device` that a process needs to use a GPU.
    """
    if version := driver_version(told):
        return version
    return driver_version(kernel_module.read_text()) if device.exists() and kernel_module.exists() else None


def _nvidia_smi() -> str:
    """What nvidia-smi prints, or nothing where it is absent, fails, or hangs as it does on a broken GPU."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return ""


def main() -> int:
    """Exit status 0, or 2 where EXTRA cannot be used."""
    driver = installed_driver(_nvidia_smi(), Path("/proc/driver/nvidia/version"), Path("/dev/nvidiactl"))
    try:
        extra, reason = chosen(os.environ.get("EXTRA", ""), driver)
    except ChoiceError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stderr.write(f"runtime: {extra}, because {reason}\n")
    sys.stdout.write(f"{extra}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
