"""Curves and the calibration plot as SVG to stand inside a page: its text is text and its colours are the page's.

The same figures give the same bytes. Knows no page and no file.
"""

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from service.engine.training_history import EpochRecord, TrainingHistory
from training.reporting.measured import Calibration

# Stand for the page's own colours, which differ by light and dark, until the SVG is written.
_INK, _RULE, _FIRST, _SECOND = "#010101", "#020202", "#030303", "#040404"
_OF_PAGE = {_INK: "currentColor", _RULE: "var(--rule)", _FIRST: "var(--first)", _SECOND: "var(--second)"}
_WITHOUT = dict.fromkeys(("Creator", "Date", "Format", "Type"))  # a date would make every report another one
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.edgecolor": _RULE,
    "axes.labelcolor": _INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.grid": True,
    "grid.color": _RULE,
    "grid.linewidth": 0.5,
    "grid.alpha": 0.6,
    "text.color": _INK,
    "xtick.color": _RULE,
    "ytick.color": _RULE,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
}
_SIZE = (3.6, 2.7)  # inches, of a chart of which two or three stand side by side
_TALL = (3.8, 4.2)


@dataclass(frozen=True)
class Chart:
    """`alt` says in words what the picture shows."""

    svg: str
    alt: str


def curves(history: TrainingHistory) -> tuple[Chart, ...]:
    """Loss, accuracy and learning rate over the epochs; the first two of the training and of the held-out images."""
    epochs = history.epochs
    held_out = history.validation_images > 0
    return (
        _curve("loss", history, _pair(epochs, "loss", held_out=held_out), "loss, nats"),
        _curve("accuracy", history, _pair(epochs, "accuracy", held_out=held_out), "accuracy", share=True),
        _curve("rate", history, {"learning rate": [each.learning_rate for each in epochs]}, "learning rate"),
    )


def reliability(before: Calibration, after: Calibration) -> tuple[Chart, ...]:
    """The share that was right over the probability that was stated, at temperature 1 and at the file's own."""
    return _reliability("before", before, _SECOND), _reliability("after", after, _FIRST)


def _pair(epochs: Sequence[EpochRecord], figure: str, *, held_out: bool) -> dict[str, list[float]]:
    training = {"training": [getattr(each, figure) for each in epochs]}
    return training | ({"held out": [getattr(each, f"validation_{figure}") for each in epochs]} if held_out else {})


def _curve(
    name: str, history: TrainingHistory, lines: dict[str, list[float]], title: str, *, share: bool = False
) -> Chart:
    epochs = [each.epoch for each in history.epochs]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for (label, values), (colour, dashes) in zip(lines.items(), ((_FIRST, "-"), (_SECOND, "--")), strict=False):
            axes.plot(epochs, values, color=colour, linestyle=dashes, label=label, marker="o", markersize=3)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        axes.set_xlabel("epoch")
        axes.set_title(title, loc="left", fontsize=10)
        if share:
            axes.yaxis.set_major_formatter(PercentFormatter(1))
        if len(lines) > 1:
            axes.legend()
        _mark_kept(axes, history)

    ways = (
        f"{label} {'from' if len(epochs) > 1 else 'is'} {_written(values[0], share=share)}"
        + (f" to {_written(values[-1], share=share)}" if len(epochs) > 1 else "")
        for label, values in lines.items()
    )
    return Chart(
        _drawn(name, draw, _SIZE),
        f"{title} over {len(epochs)} epoch{'s' if len(epochs) > 1 else ''}: {'; '.join(ways)}.",
    )


def _mark_kept(axes: Axes, history: TrainingHistory) -> None:
    if any(each.epoch == history.kept_epoch for each in history.epochs):
        axes.axvline(history.kept_epoch, color=_INK, linewidth=0.8, linestyle=":")


def _written(value: float, *, share: bool) -> str:
    return f"{value:.2%}" if share else f"{value:.3g}"


def _reliability(name: str, found: Calibration, colour: str) -> Chart:
    title = f"temperature {found.temperature:g}, error {found.error:.2%}"

    def draw(figure: Figure) -> None:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        _reliability_of(above, found, colour)
        above.set_title(title, loc="left", fontsize=10)
        _counts_of(below, found, colour)

    return Chart(_drawn(name, draw, _TALL), f"Reliability diagram: {title}, of {len(found.bins)} bins.")


def _reliability_of(axes: Axes, found: Calibration, colour: str) -> None:
    """Points with the 95 % interval of a share (Wilson 1927): a bin of few images says little."""
    axes.plot([0, 1], [0, 1], color=_INK, linewidth=0.8, linestyle=":")
    for each in found.bins:
        low, high = wilson(each.accuracy, each.count)
        axes.plot([each.confidence] * 2, [low, high], color=colour, linewidth=1.2, alpha=0.7)
    axes.plot(
        [each.confidence for each in found.bins],
        [each.accuracy for each in found.bins],
        color=colour,
        linewidth=0,
        marker="o",
        markersize=5,
    )
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.04, 1.04))
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_ylabel("share right")


def _counts_of(axes: Axes, found: Calibration, colour: str) -> None:
    axes.bar(
        [each.low for each in found.bins],
        [each.count for each in found.bins],
        width=[each.high - each.low for each in found.bins],
        align="edge",
        color=colour,
        edgecolor=_RULE,
        linewidth=0.5,
        log=True,
    )
    axes.set_ylim(bottom=0.5)
    axes.set_ylabel("images")
    axes.set_xlabel("probability of the answer")


def wilson(share: float, count: int) -> tuple[float, float]:
    """The 95 % interval of a share of `count` images."""
    z = 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    reach = z / (1 + z * z / count) * (share * (1 - share) / count + z * z / (4 * count * count)) ** 0.5
    return max(0.0, middle - reach), min(1.0, middle + reach)


def _drawn(name: str, draw: Callable[[Figure], None], inches: tuple[float, float]) -> str:
    """What `draw` puts on a figure; `name` keeps its ids apart from those of other charts of the page."""
    with mpl.rc_context():  # on leaving, the process has its own settings back
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE | {"svg.hashsalt": name})
        figure = Figure(figsize=inches, layout="constrained")
        draw(figure)
        file = io.BytesIO()
        figure.savefig(file, format="svg", transparent=True, metadata=_WITHOUT)
    return _in_page(file.getvalue().decode(), name)


def _in_page(document: str, name: str) -> str:
    """Without what only a file of its own needs, and without a style that would hold for the whole page."""
    svg = re.sub(r" *<style.*?</style>\n", "", document[document.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r' width="[^"]*pt" height="[^"]*pt"', "", svg, count=1)
    svg = re.sub(r' xmlns(:xlink)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = re.sub(r' font-family: [^;"]*;', "", svg)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    for stand_in, colour in _OF_PAGE.items():
        svg = svg.replace(stand_in, colour)
    return svg.replace("<svg", '<svg aria-hidden="true"', 1)
