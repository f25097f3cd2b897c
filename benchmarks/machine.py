"""What the figures were measured on and with: machine, date, commit, versions."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import systems
from benchmarks.environments import ROOT, peer_python, service_python, version

_INSTRUCTIONS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")


def described() -> dict[str, str]:
    """Each with a name, in the order of the report."""
    changed = " (changed)" if _told("git", "status", "-s") else ""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _told("git", "rev-parse", "--short=12", "HEAD") + changed,
        "machine": processors(),
        "instructions": ", ".join(name for name in _INSTRUCTIONS if name in _cpu("flags").split()),
        "load before (1, 5, 15 minutes)": ", ".join(f"{load:.2f}" for load in os.getloadavg()),
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "service": f"ONNX Runtime {version(service_python(), 'onnxruntime')}, {_settings()}",
        "peers": ", ".join(_peers()),
        "load": f"{_wrk()} (1 thread), benchmarks/open_loop.py; on the same CPUs as the servers, nothing pinned",
    }


def processors() -> str:
    """As in `2 CPUs (2 usable), AMD EPYC, 23 GiB`."""
    return f"{os.cpu_count()} CPUs ({len(os.sched_getaffinity(0))} usable), {_cpu('model name')}, {_memory()} GiB"


def _peers() -> list[str]:
    packages = {"template": ("fastapi", "uvicorn", "onnxruntime"), "litserve": ("litserve",), "bentoml": ("bentoml",)}
    found = [
        f"{package} {version(peer_python(peer), package)}" for peer, names in packages.items() for package in names
    ]
    return [*found, f"openvino {version(peer_python('openvino', on_service_lock=True), 'openvino')}"]


def _settings() -> str:
    return " ".join(f"{name}={value}" for name, value in systems.SERVICE_SETTINGS.items())


def _cpu(field: str) -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(field)), "unknown")


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**30


def _wrk() -> str:
    """Wrk says its version with its usage, and exits as if that were an error."""
    told = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False).stdout  # noqa: S607
    return " ".join(told.split()[:2])


def _told(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603
