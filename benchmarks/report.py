"""What was measured as Markdown and as JSON. Knows nothing of how it was measured; judges nothing."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Goal:
    """What was asked for beside what was seen."""

    what: str
    asked: str
    seen: str


@dataclass(frozen=True)
class Section:
    """One part of the report. `raw` is every single figure behind it."""

    title: str
    text: str
    goals: tuple[Goal, ...] = ()
    raw: object = field(default=None)

    def markdown(self) -> str:
        return f"## {self.title}\n\n{self.text}\n"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Median (least to most), as in `0.61 (0.58-0.66)`; a dash where there is none."""
    if not values:
        return "-"
    shown = [f"{value:,.{digits}f}" for value in (statistics.median(values), min(values), max(values))]
    return f"{shown[0]} ({shown[1]}–{shown[2]})"


def goals_table(sections: Iterable[Section]) -> str:
    rows = [(goal.what, goal.asked, goal.seen) for section in sections for goal in section.goals]
    return table(("goal", "asked", "seen: median of the rounds (least–most)"), rows)
