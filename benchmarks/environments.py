"""A virtual environment for each system, made from what is committed, and made again where that has changed.

The service's own comes from its lock, as `make serve` makes it; OpenVINO's is the same and OpenVINO; a peer's is what
its folder's requirements.txt says. Knows nothing of what runs in them.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PEERS = Path(__file__).parent / "peers"
_MADE = Path(__file__).parent / ".environments"


def service_python(extra: str = "cpu") -> Path:
    """The service's own, as `make serve` makes it, or one with another runtime."""
    environment = ROOT / ".venv" if extra == "cpu" else _MADE / f"fovea-{extra}"
    _install_lock(environment, extra)
    return environment / "bin/python"


def peer_python(peer: str, *, on_service_lock: bool = False) -> Path:
    """The interpreter of the environment for `peers/<peer>/requirements.txt`; with the service's packages if asked."""
    environment = _MADE / peer
    python = environment / "bin/python"
    requirements = PEERS / peer / "requirements.txt"
    wanted = requirements.read_text() + sys.version + (_lock().read_text() if on_service_lock else "")
    stamp = environment / "benchmark.txt"
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    print(f"setting up {environment.relative_to(ROOT)}", file=sys.stderr)
    shutil.rmtree(environment, ignore_errors=True)
    if on_service_lock:
        _install_lock(environment)
    else:
        _run(sys.executable, "-m", "venv", str(environment))
    _run(str(python), "-m", "pip", "--disable-pip-version-check", "install", "-qq", "-r", str(requirements))
    stamp.write_text(wanted)
    return python


def version(python: Path, package: str) -> str:
    """The version of a package there, as in `1.31.1`."""
    code = f"from importlib.metadata import version; print(version({package!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603


def _lock() -> Path:
    return ROOT / "requirements/cpu.txt"


def _install_lock(environment: Path, extra: str = "cpu") -> None:
    _run(str(ROOT / "requirements/install.sh"), str(environment), extra)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, cwd=ROOT, env=os.environ | {"PYTHON": sys.executable})  # noqa: S603
