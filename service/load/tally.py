"""What happened to the requests: how many ended how, and how long each was waited for."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

OK = "200"


@dataclass
class Tally:
    """`latencies` in seconds, by outcome: a status with the problem's code, or why there was no answer.

    `timely` counts those that ended while requests were still being sent: throughput is made of them alone, else one
    late answer would stretch the time that all are divided by. `lags`: how long after it was due each was sent.
    """

    latencies: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    timely: Counter[str] = field(default_factory=Counter)
    lags: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, outcome: str, latency: float, *, timely: bool) -> None:
        self.latencies[outcome].append(latency)
        self.timely[outcome] += timely
