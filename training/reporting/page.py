"""The page as text: one HTML file that asks for nothing else. Computes and draws nothing.

Whatever comes from a file or from a class's name is text to the template, never markup: it escapes by default.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from service.engine.model_file import ModelFile
from service.engine.model_metadata import Metrics
from service.inspection.shapes.layer_table import LayerShapes
from service.inspection.table.tables import COLUMNS, RIGHT_ALIGNED, as_rows
from training.reporting.charts import Chart
from training.reporting.measured import Answer, ClassFigures, Measured, Pair
from training.reporting.pictures import FilterPanels, Picture

MATRIX_CLASSES = 30  # above it a matrix can no longer be read
LISTED_CLASSES = 60
LISTED_WORST = 20

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Setting:
    """One line of the recipe; `changed`: it differs from the recipe of that name."""

    key: str
    value: str
    changed: bool


@dataclass(frozen=True)
class Seen:
    """One image of the data set, what was answered, and what the layers held for it."""

    answer: Answer
    image: Picture
    maps: Picture | None = None


@dataclass(frozen=True)
class Report:
    """All that the page shows. Empty or None is what there is nothing of; `problems` says in a sentence why."""

    name: str
    version: int | None
    file: ModelFile
    graph_sha256: str
    measured: Measured
    dataset: str
    curves: tuple[Chart, ...]
    pairs: tuple[Pair, ...]
    calibration: tuple[Chart, ...]
    mistakes: tuple[Seen, ...]
    filters: tuple[FilterPanels, ...]
    has_before: bool
    maps: tuple[Seen, ...]
    layers: LayerShapes
    settings: tuple[Setting, ...]
    problems: dict[str, str]
    test_time: Metrics | None = None

    @property
    def cells(self) -> list[list[tuple[int, float]]]:
        """The matrix row by row, each number with how strong its colour is, 0..1.

        Of right answers it is their share of the row; of wrong ones that share's root in parts of the largest one's.
        """
        counts = self.measured.confusion
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        wrong = np.where(np.eye(len(counts), dtype=bool), 0, shares)
        parts = np.where(np.eye(len(counts), dtype=bool), shares, np.sqrt(wrong / (wrong.max() or 1.0)))
        return [
            list(zip(numbers, of_row, strict=True))
            for numbers, of_row in zip(counts.tolist(), parts.tolist(), strict=True)
        ]

    @property
    def worst_classes(self) -> list[ClassFigures]:
        return sorted(self.measured.classes, key=lambda each: -1.0 if each.f1 is None else each.f1)[:LISTED_WORST]


def page(report: Report) -> str:
    """The HTML. The same report gives the same text: no date, no random number."""
    return (
        _environment()
        .get_template("page.html.jinja")
        .render(
            report=report,
            measured=report.measured,
            metadata=report.file.metadata,
            history=report.file.metadata.training_history,
            layer_columns=COLUMNS,
            right_aligned=RIGHT_ALIGNED,
            layer_rows=as_rows(report.layers),
            matrix=len(report.measured.class_names) <= MATRIX_CLASSES,
            listed_classes=LISTED_CLASSES,
        )
    )


def duration(seconds: float) -> str:
    """As people say it: 8.4 s, 3 min 20 s, 2 h 5 min."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= _FILTERS
    environment.globals["style"] = Markup((_FOLDER / "page.css").read_text(encoding="utf-8"))  # noqa: S704 - our own
    return environment


def _share(number: float | None, digits: int = 2) -> str:
    return "–" if number is None else f"{number:.{digits}%}"


def _img(picture: Picture, style: str = "") -> Markup:
    width, height = picture.size
    data = base64.b64encode(picture.png).decode()
    return Markup('<img class="{}" alt="{}" width="{}" height="{}" src="data:image/png;base64,{}">').format(
        style, picture.alt, width, height, data
    )


def _svg(chart: Chart) -> Markup:
    """Our own drawing, which holds nothing of any file but numbers."""
    drawing = Markup(chart.svg)  # noqa: S704 - see above
    return Markup('<div class="chart" role="img" aria-label="{}">{}</div>').format(chart.alt, drawing)


_FILTERS: dict[str, Callable[..., str]] = {
    "count": lambda number: f"{number:,}",
    "share": _share,
    "decimals": lambda number: f"{number:.4f}",
    "short": lambda number: f"{number:.4g}",
    "duration": duration,
    "img": _img,
    "svg": _svg,
}
