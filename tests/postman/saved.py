"""What the service answered, with what differs from run to run made the same.

Times, counts and ids become 0; numbers keep four digits, since the last ones are the processor's own.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

import httpx

_HEADERS = ("content-type", "content-disposition", "retry-after", "www-authenticate", "cache-control", "connection")
_VARYING = ("request_id", "since", "seconds", "milliseconds_per_pass", "batch_stats")
_COUNTED = ("model_stats",)
_DIGITS = 4


@dataclass(frozen=True)
class Saved:
    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: str

    @property
    def content_type(self) -> str:
        return dict(self.headers).get("content-type", "").partition(";")[0]


def saved(answer: httpx.Response) -> Saved:
    headers = tuple((name, answer.headers[name]) for name in _HEADERS if name in answer.headers)
    return Saved(answer.status_code, answer.reason_phrase, headers, _text(answer))


def _text(answer: httpx.Response) -> str:
    kind = answer.headers.get("content-type", "")
    if kind.startswith(("application/json", "application/problem+json")):
        return json.dumps(steady(answer.json()), indent=1, ensure_ascii=False)
    if answer.url.path == "/metrics":
        return _metrics(answer.text)
    return answer.text if kind.startswith("text/") else ""  # Postman keeps text only


def steady(value: Any, name: str = "", *, counted: bool = False) -> Any:
    """The same whenever and wherever the same question is asked. `counted`: whole numbers in it are counts."""
    if name in _VARYING:
        return [] if isinstance(value, list) else type(value)()
    if isinstance(value, dict):
        return {key: steady(one, key, counted=counted or key in _COUNTED) for key, one in value.items()}
    if isinstance(value, list):
        return [steady(one, counted=counted) for one in value]
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    return 0 if counted and isinstance(value, int) else value


def _metrics(text: str) -> str:
    """The first sample of each metric, at 0: the others are there once something was asked."""
    found = re.findall(r"^(# HELP .*\n# TYPE .*\n)(?:(\S+) \S+\n)?", text, re.MULTILINE)
    return "".join(
        heads + (f"{sample} 0\n" if sample and not sample.startswith("#") else "") for heads, sample in found
    )
