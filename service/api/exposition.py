"""Prometheus' text format and OpenMetrics 1.0, written. What is to be said is `metrics`' matter.

`prometheus_client` looks at every name and label of every line again for what would have to be escaped: two to three
times as long as all of this takes (`benchmarks/scraping.py`), and others wait for Python's lock at each system call.
Source: https://prometheus.io/docs/instrumenting/exposition_formats, https://prometheus.io/docs/specs/om/open_metrics_spec.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from prometheus_client.utils import floatToGoString

Number = int | float
Values = Iterable[tuple[str, Number]]  # each behind its labels as `labelled` writes them, "" for none

_number: Callable[[Number], str] = floatToGoString  # the library has no types
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


@dataclass(frozen=True)
class Family:
    """One metric and the lines of its samples, the same in both formats. A counter's name is without `_total`."""

    name: str
    kind: Literal["counter", "gauge", "histogram", "summary"]
    what: str
    lines: Sequence[str]


def written(families: Iterable[Family], *, open_metrics: bool) -> bytes:
    """The whole answer. `what` must need no escaping: one line without backslash and quotation mark."""
    parts = []
    for family in families:
        name = family.name
        if family.kind == "counter" and not open_metrics:
            name += "_total"
        parts.append(f"# HELP {name} {family.what}\n# TYPE {name} {family.kind}\n")
        parts += family.lines
    if open_metrics:
        parts.append("# EOF\n")
    return "".join(parts).encode()


def labelled(names: Sequence[str], values: Sequence[str]) -> str:
    """Labels as they stand in braces, in order of their names, which need no escaping."""
    pairs = sorted(zip(names, values, strict=True))
    return ",".join([f'{name}="{value.translate(_ESCAPES)}"' for name, value in pairs])


def counter(name: str, what: str, values: Values) -> Family:
    return Family(name, "counter", what, [_line(f"{name}_total", labels, value) for labels, value in values])


def gauge(name: str, what: str, values: Values) -> Family:
    return Family(name, "gauge", what, [_line(name, labels, value) for labels, value in values])


def summary(name: str, what: str, values: Iterable[tuple[str, int, float]]) -> Family:
    """Labels, count and sum."""
    lines = []
    for labels, count, total in values:
        lines += [_line(f"{name}_count", labels, count), _line(f"{name}_sum", labels, total)]
    return Family(name, "summary", what, lines)


def histogram(
    name: str, what: str, bounds: Sequence[Number], values: Iterable[tuple[str, Sequence[int], Number]]
) -> Family:
    """Labels, at least one; how many were at most each of `bounds`, and how many there were; their sum."""
    heads = [f'{name}_bucket{{le="{bound}",' for bound in (*map(float, bounds), "+Inf")]
    lines = []
    for labels, counts, total in values:
        lines += [f"{head}{labels}}} {_number(count)}\n" for head, count in zip(heads, counts, strict=True)]
        lines += [_line(f"{name}_count", labels, counts[-1]), _line(f"{name}_sum", labels, total)]
    return Family(name, "histogram", what, lines)


def _line(name: str, labels: str, value: Number) -> str:
    return f"{name}{{{labels}}} {_number(value)}\n" if labels else f"{name} {_number(value)}\n"
