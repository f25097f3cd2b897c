"""What is known of one request: whoever learns something writes it here. Its count, line and trace are made of it."""

import time
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fastapi import Request

from service.engine.classifier import Classifier


class Stages(NamedTuple):
    """When each stage of a classification ended, in `time.monotonic` seconds. The last two: None where nothing ran."""

    arrived: float
    decoded: float
    started: float | None = None
    ended: float | None = None

    @property
    def milliseconds(self) -> dict[str, float]:
        found = {"decode": 1000 * (self.decoded - self.arrived)}
        if self.started is not None and self.ended is not None:
            found["queue"] = 1000 * max(self.started - self.decoded, 0.0)
            found["inference"] = 1000 * (self.ended - self.started)
        return found

    @property
    def server_timing(self) -> str:
        """The header of that name. Written out, since every answer has it: a third of the time of a loop."""
        decode = f"decode;dur={1000 * (self.decoded - self.arrived):.3f}"
        if self.started is None or self.ended is None:
            return decode
        queue, inference = max(self.started - self.decoded, 0.0), self.ended - self.started
        return f"{decode}, queue;dur={1000 * queue:.3f}, inference;dur={1000 * inference:.3f}"


@dataclass(slots=True)
class Facts:
    """`route` is a template, `method` one of those the service knows, `client` an address: nothing is a client's text.

    `token` names the token that was sent, and `trace` is what `api.tracing` made of the request.
    """

    request_id: str
    method: str
    client: str | None = None
    began: float = field(default_factory=time.monotonic)
    ended: float | None = None
    route: str = ""
    status: int = 0
    code: str | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    model: str | None = None
    version: int | None = None
    provider: str | None = None
    stages: Stages | None = None
    token: str | None = None
    trace: Any = None

    def of(self, classifier: Classifier) -> None:
        """Which network the request is for."""
        self.model, self.version, self.provider = classifier.name, classifier.version, classifier.device.provider

    @property
    def seconds(self) -> float:
        return (time.monotonic() if self.ended is None else self.ended) - self.began


def facts_of(request: Request) -> Facts:
    facts: Facts = request.state.facts
    return facts
