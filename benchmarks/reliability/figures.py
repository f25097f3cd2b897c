"""What a scenario saw beside what was promised, as a table and as JSON. Judges nothing by itself."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from benchmarks.report import table


@dataclass(frozen=True)
class Figure:
    """`promise` is the row of docs/reliability.md. `held`: None where the figure is told and nothing is promised."""

    promise: int
    what: str
    to_reach: str
    reached: str
    held: bool | None = None

    @property
    def verdict(self) -> str:
        return {True: "held", False: "**not held**", None: "told"}[self.held]


@dataclass(frozen=True)
class Outcome:
    """One scenario. `raw` is every single figure behind it."""

    about: str
    figures: Sequence[Figure]
    raw: object = field(default=None)

    @property
    def held(self) -> bool:
        return all(figure.held is not False for figure in self.figures)


def figures_table(figures: Iterable[Figure]) -> str:
    rows = [(one.promise, one.what, one.to_reach, one.reached, one.verdict) for one in figures]
    return table(("promise", "figure", "to reach", "reached", ""), rows)


def none_of(promise: int, what: str, count: float, of: str = "") -> Figure:
    """Something that must never be seen."""
    return Figure(promise, what, "0", f"{count:,.0f}{of}", held=count == 0)


def at_most(promise: int, what: str, most: float, reached: float, unit: str = "") -> Figure:
    return Figure(promise, what, f"<= {most:,.4g}{unit}", f"{reached:,.4g}{unit}", held=reached <= most)


def at_least(promise: int, what: str, least: float, reached: float, unit: str = "") -> Figure:
    return Figure(promise, what, f">= {least:,.4g}{unit}", f"{reached:,.4g}{unit}", held=reached >= least)
