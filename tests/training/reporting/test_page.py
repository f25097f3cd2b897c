"""Pages of unusual models: few and many classes, names that are markup, colour, large images, no mistake."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.reporting.reports import Taken, tiny, tiny_page
from training.reporting.measured import measured
from training.reporting.page import duration
from training.reporting.report import gathered

HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "&lt;b&gt;")


def test_a_class_named_like_markup_shows_as_text() -> None:
    taken = Taken(tiny_page(HOSTILE))
    assert all(name in taken.text for name in HOSTILE)
    assert "script" not in {tag for tag, _ in taken.elements}
    assert not [attrs for _, attrs in taken.elements if "onerror" in attrs]


@pytest.mark.parametrize(("classes", "matrix"), [(2, True), (30, True), (31, False), (200, False)])
def test_above_thirty_classes_the_confused_pairs_stand_for_the_matrix(classes: int, matrix: bool) -> None:
    taken = Taken(tiny_page(tuple(f"class {number}" for number in range(classes)), images=400))
    assert any(attrs.get("class", "").startswith("matrix") for _, attrs in taken.elements) is matrix
    pairs = taken.table("true class", "class given")
    assert 0 < len(pairs) <= 30
    counts = [int(row[2]) for row in pairs]
    assert counts == sorted(counts, reverse=True)


def test_of_a_thousand_classes_the_worst_stand_first_and_all_can_be_opened() -> None:
    html = tiny_page(tuple(f"class number {number}" for number in range(1000)), images=1000)
    taken = Taken(html)
    worst, every = (rows for rows in taken.tables if rows[0][:2] == ["class", "precision"])
    assert (len(worst), len(every)) == (21, 1001)
    assert len(html) < 1_000_000


def test_colour_images_and_filters_are_in_colour() -> None:
    html = tiny_page(("a", "b"), channels=3)
    assert "in colour, grey is zero" in html


def test_large_images_are_made_smaller() -> None:
    taken = Taken(tiny_page(("a", "b"), channels=3, side=224))
    sizes = [attrs["width"] for tag, attrs in taken.elements if tag == "img" and "taken for" in attrs["alt"]]
    assert sizes
    assert set(sizes) == {"112"}


def test_small_images_are_enlarged_by_whole_numbers() -> None:
    taken = Taken(tiny_page(("a", "b"), side=9))
    sizes = [attrs["width"] for tag, attrs in taken.elements if tag == "img" and "taken for" in attrs["alt"]]
    assert set(sizes) == {"108"}


def test_the_strongest_mistake_and_a_row_all_right_have_the_strongest_colours() -> None:
    file, dataset = tiny(("a", "b", "c"))
    report = gathered(Path("nowhere.onnx"), file, dataset)
    logits = torch.eye(3)[[0, 0, 1, 1, 1, 0, 2, 2, 2, 2]]
    found = measured(logits, torch.tensor([0, 0, 1, 1, 1, 1, 2, 2, 2, 0]), ("a", "b", "c"), 1.0)
    (aa, _, ac), (ba, *_), (*_, cc) = replace(report, measured=found).cells
    assert [aa[0], ac[0], ba[0], cc[0]] == [2, 1, 1, 3]
    assert [aa[1], ac[1], ba[1], cc[1]] == pytest.approx([2 / 3, 1.0, (0.25 / (1 / 3)) ** 0.5, 1.0])


@pytest.mark.parametrize(
    ("seconds", "said"), [(8.44, "8.4 s"), (59.97, "1 min 0 s"), (200.0, "3 min 20 s"), (7500.0, "2 h 5 min")]
)
def test_a_duration_is_said_in_two_units(seconds: float, said: str) -> None:
    assert duration(seconds) == said
