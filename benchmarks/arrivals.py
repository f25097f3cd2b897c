"""Runs the open-loop generator in a process of its own and reads what it saw. Knows no system."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.environments import ROOT
from benchmarks.pictures import Form, Picture


@dataclass(frozen=True)
class Seen:
    """`by_status`: count, count within the sending time a second, and latency percentiles in ms, of each status."""

    by_status: dict[str, dict[str, float]]
    lag_p99_ms: float
    cpu_share: float
    sent_per_second: float
    answers: list[tuple[int, dict[str, Any]]]
    without_retry_after: int = 0

    def of(self, status: str, figure: str) -> float:
        return self.by_status.get(status, {}).get(figure, 0.0)

    @property
    def not_ok(self) -> float:
        return sum(seen["count"] for status, seen in self.by_status.items() if status != "200")

    @property
    def statuses(self) -> str:
        return ", ".join(f"{status}: {seen['count']:,.0f}" for status, seen in self.by_status.items())


def send(
    url: str,
    picture: Picture,
    form: Form,
    rate: float,
    seconds: float,
    arrivals: Literal["poisson", "even"] = "poisson",
) -> Seen:
    """So many requests a second for so long, as if each came from a client of its own."""
    with sending(url, picture, form, rate, seconds, arrivals) as result:
        pass
    return result[0]


@contextmanager
def sending(
    url: str,
    picture: Picture,
    form: Form,
    rate: float,
    seconds: float,
    arrivals: Literal["poisson", "even"] = "poisson",
    *,
    keep_answers: bool = False,
    until_left: bool = False,
) -> Iterator[list[Seen]]:
    """As `send`, while the caller does something else; `until_left` ends it with the block if `seconds` are not over.

    The list holds what was seen once the block is left.
    """
    seen: list[Seen] = []
    with tempfile.TemporaryDirectory() as folder:
        body, answers = Path(folder) / "body", Path(folder) / "answers.json"
        body.write_bytes(picture.body(form))
        command = [sys.executable, "-m", "benchmarks.open_loop", url, str(body), picture.header(form)]
        command += ["--rate", str(rate), "--seconds", str(seconds), "--arrivals", arrivals]
        command += ["--answers", str(answers)] if keep_answers else []
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:  # noqa: S603
            yield seen
            if until_left:
                process.terminate()
            output, _ = process.communicate()
        seen.append(_read(output, answers if keep_answers else None))


def _read(output: bytes, answers: Path | None) -> Seen:
    told = json.loads(output)
    kept = [(count, json.loads(body)) for count, body in json.loads(answers.read_text())] if answers else []
    return Seen(
        told["by_status"],
        told["lag_ms"]["p99"],
        told["cpu_share"],
        told["sent_per_second"],
        kept,
        told["without_retry_after"],
    )
