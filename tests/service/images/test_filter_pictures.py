"""The pixels of a filter picture are the weights, on the scale that its legend states."""

import io
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from service.errors import InvalidParameterError
from service.images.filter_pictures import FilterPicture, Panel, filter_picture

RANDOM = np.random.default_rng(0)
WHITE, DARK, MAGENTA = (255, 255, 255), (48, 48, 48), (255, 0, 255)


def drawn(
    *cells: np.ndarray, column: str | None = None, scale: Literal["layer", "filter"] = "layer", page: int = 1
) -> tuple[FilterPicture, np.ndarray]:
    panels = [Panel(f"version {number}", each) for number, each in enumerate(cells)]
    picture = filter_picture(panels, item="filter", column=column, scale=scale, page=page)
    return picture, np.array(Image.open(io.BytesIO(picture.png)).convert("RGB"))


def middle(
    picture: FilterPicture, pixels: np.ndarray, row: int, column: int, y: int = 0, x: int = 0
) -> tuple[int, ...]:
    """The colour in the middle of one weight of one cell."""
    legend, size = picture.legend, picture.legend.magnification
    top = legend.gutter + row * (legend.cell_height + legend.gutter) + y * size + size // 2
    left = legend.gutter + column * (legend.cell_width + legend.gutter) + x * size + size // 2
    return tuple(int(part) for part in pixels[top, left])


def test_zero_is_white_negative_blue_positive_red() -> None:
    picture, pixels = drawn(np.array([[[[0.0, -1.0, 1.0]]]]))
    white, blue, red = (middle(picture, pixels, 0, 0, 0, x) for x in range(3))
    assert white == WHITE
    assert blue[2] > blue[0]
    assert red[0] > red[2]
    assert (picture.legend.low, picture.legend.high) == (-1, 1)


def test_colours_are_symmetric_around_grey() -> None:
    cell = np.array([[[[[0.0, 0.0, 0.0], [1.0, -1.0, 0.5]]]]])
    picture, pixels = drawn(cell)
    assert middle(picture, pixels, 0, 0, 0, 0) == (128, 128, 128)
    assert middle(picture, pixels, 0, 0, 0, 1) == (255, 0, 191)
    assert picture.legend.colours == "rgb"


def test_two_versions_are_side_by_side_on_one_scale() -> None:
    small, large = np.full((1, 1, 1, 1), 0.5), np.full((1, 1, 1, 1), 2.0)
    picture, pixels = drawn(small, large)
    assert picture.legend.panels == ("version 0", "version 1")
    assert picture.legend.high == 2
    left, right = pixels[pixels.shape[0] // 2, [10, -10]]
    assert tuple(right) == (120, 14, 34)
    assert left.sum() > right.sum()


def test_each_filter_may_have_its_own_range() -> None:
    cells = np.array([1.0, 100.0]).reshape(2, 1, 1, 1)
    picture, pixels = drawn(cells, scale="filter", column="input channel")
    assert middle(picture, pixels, 0, 0) == middle(picture, pixels, 1, 0) == (120, 14, 34)
    picture, pixels = drawn(cells, column="input channel")
    assert middle(picture, pixels, 0, 0) != middle(picture, pixels, 1, 0)


def test_a_weight_beyond_the_range_is_counted_and_does_not_darken_the_rest() -> None:
    cells = RANDOM.uniform(-1, 1, (100, 1, 3, 3))
    cells[0, 0, 0, 0] = 1000
    picture, _ = drawn(cells)
    assert picture.legend.high < 1.01
    assert picture.legend.clipped == pytest.approx(np.mean(np.abs(cells) > picture.legend.high))
    assert picture.legend.clipped > 0


def test_a_matrix_keeps_a_row_for_each_filter_and_a_column_for_each_input() -> None:
    cells = np.zeros((3, 5, 2, 2))
    cells[1, 4] = 1
    picture, pixels = drawn(cells, column="input channel")
    assert picture.legend.columns == 5
    coloured = [(r, c) for r in range(3) for c in range(5) if middle(picture, pixels, r, c) != WHITE]
    assert coloured == [(1, 4)]


def test_what_is_not_a_number_is_magenta_and_a_gutter_dark() -> None:
    picture, pixels = drawn(np.array([[[[np.nan, 1.0]]]]))
    assert middle(picture, pixels, 0, 0) == MAGENTA
    assert tuple(pixels[0, 0]) == DARK


def test_no_filter_is_left_out_pages_hold_the_rest() -> None:
    cells = RANDOM.normal(size=(600, 512, 3, 3)).astype(np.float32)
    shown: list[int] = []
    pages = drawn(cells, column="input channel")[0].legend.pages
    for page in range(1, pages + 1):
        legend = drawn(cells, column="input channel", page=page)[0].legend
        shown += range(legend.first, legend.last + 1)
    assert shown == list(range(600))
    with pytest.raises(InvalidParameterError, match="there are pages 1 to 2"):
        drawn(cells, column="input channel", page=3)


def test_a_picture_wider_than_a_screen_can_ever_be_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match="it would be 40,001 pixels wide; ask for npz"):
        drawn(np.zeros((2, 1, 1, 40_000), np.float32), column="all inputs, left to right")


def test_the_legend_is_in_the_file_too() -> None:
    picture, _ = drawn(np.ones((2, 1, 3, 3)))
    text = Image.open(io.BytesIO(picture.png)).info
    assert text["fovea.high"] == str(picture.legend.high)
    assert text["fovea.item"] == "filter"
