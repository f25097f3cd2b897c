"""Says in one line why this Python cannot make the environment, and what to do; silent where it can.

Standard library, and syntax that Python 3.8 reads: it runs on the very interpreters it refuses.
"""

# ruff: noqa: INP001 - scripts beside the locks, no package

from __future__ import annotations

import sys
from importlib.util import find_spec

MINIMUM = (3, 11)  # requires-python in pyproject.toml


def problem(version: tuple[int, int], has_venv: bool) -> str | None:
    """What this interpreter lacks, with the remedy, or None. `has_venv`: Debian ships venv in a package of its own."""
    found, wanted = ".".join(map(str, version)), ".".join(map(str, MINIMUM))
    if version < MINIMUM:
        return f"Python {found} is too old, Fovea needs {wanted} or newer; name one: make PYTHON=python{wanted} serve"
    if not has_venv:
        return f"Python {found} has no venv and makes no environments; try: sudo apt-get install python{found}-venv"
    return None


def main() -> int:
    """Exit status 0, or 1 with the problem on stderr."""
    has_venv = find_spec("venv") is not None and find_spec("ensurepip") is not None
    found = problem((sys.version_info[0], sys.version_info[1]), has_venv)
    if found:
        sys.stderr.write(f"{found}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
