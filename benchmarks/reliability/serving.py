"""The service as an operator starts it, `python -m service serve`, for a scenario. Its log is kept to be read."""

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.server import Server, System, running

READY = "/health/ready"


@contextmanager
def service(
    models: Path,
    *,
    workers: int | None = None,
    module: str = "service",
    before: Sequence[str] = (),
    variables: dict[str, str] | None = None,
    ready: str = READY,
    **settings: object,
) -> Iterator[Server]:
    """The service over `models`, once `ready` answers 200; `before` stands before the command."""
    named = {"provider": "cpu", "log_level": "info", **settings} | ({"workers": workers} if workers else {})
    environment = {f"FOVEA_{name.upper()}": str(value) for name, value in named.items()} | (variables or {})
    command = (*before, sys.executable, "-m", module, "serve", "--port", "{port}", "--models", str(models))
    with running(System("fovea", command, environment, {}, ready)) as server:
        yield server


def complaints(log: str) -> list[str]:
    """Lines of the log that should not be there: errors and tracebacks."""
    return [line for line in log.splitlines() if re.match(r"ERROR|CRITICAL|Traceback", line)]
