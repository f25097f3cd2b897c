"""wrk: as many requests as so many connections can make, each sent when the one before it was answered.

Knows no system. wrk takes its share of the same CPUs, which is stated with the results and not subtracted.
"""

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.pictures import Form, Picture

_SCRIPT = Path(__file__).parent / "classify.lua"


@dataclass(frozen=True)
class Measured:
    """What one run of wrk saw. `failures` are answers of status 400 and above, and broken or timed-out connections."""

    requests_per_second: float
    images_per_second: float
    median_ms: float
    p99_ms: float
    failures: int


def measure(
    url: str, picture: Picture, form: Form, connections: int, seconds: float, token: str | None = None
) -> Measured:
    """Raises CalledProcessError where wrk is not installed or cannot connect."""
    with tempfile.NamedTemporaryFile() as body:
        body.write(picture.body(form))
        body.flush()
        told = _wrk(url, body.name, picture.header(form), connections, seconds, token)
    failures = sum(told[kind] for kind in ("status", "connect", "read", "write", "timeout"))
    answered = told["requests"] - told["status"]
    rate = answered / (told["microseconds"] / 1e6)
    return Measured(rate, rate * form.images, told["p50"] / 1e3, told["p99"] / 1e3, failures)


def _wrk(url: str, body: str, content_type: str, connections: int, seconds: float, token: str | None) -> dict[str, int]:
    # wrk knows whole seconds only; an answer after more than 2 s it would count as a timeout.
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{round(seconds)}",
        "--timeout",
        "60",
        "-s",
        str(_SCRIPT),
        *(("-H", f"Authorization: Bearer {token}") if token else ()),
        url,
        "--",
        body,
        content_type,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    told: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return told
