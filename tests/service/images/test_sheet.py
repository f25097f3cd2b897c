"""Sheets read back as pixels: each row's channels where its legend says they are."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from service.errors import InvalidParameterError
from service.images.colours import palette, shared_range
from service.images.pictures import grid
from service.images.sheet import CHANNELS_PER_ROW, ROWS_PER_PAGE, Row, Sheet, sheet


def maps(channels: int, side: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(channels, side, side)).astype(np.float32)


def row(values: np.ndarray, title: str = "row") -> Row:
    return Row(title, values, range(len(values)), "layer")


def pixels(picture: Sheet) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(picture.png)))


def cell(picture: Sheet, index: int, column: int) -> np.ndarray:
    legend, of_row = picture.legend, picture.legend.rows[index]
    left = column * legend.pitch
    return pixels(picture)[of_row.top : of_row.top + of_row.cell_height, left : left + of_row.cell_width]


def test_each_row_has_its_first_channels_in_the_colours_of_its_grid() -> None:
    large, small = maps(3, 50), np.abs(maps(20, 7, 1))
    picture = sheet([row(large), row(small)])
    assert [one.magnification for one in picture.legend.rows] == [2, 16]
    assert [len(one.channels) for one in picture.legend.rows] == [3, CHANNELS_PER_ROW]
    for index, values in enumerate((large, small)):
        alone = grid(values, channels=[1])
        expected = np.asarray(Image.open(io.BytesIO(alone.png)).convert("RGB"))[:: alone.legend.magnification]
        step = picture.legend.rows[index].magnification
        assert np.array_equal(cell(picture, index, 1)[::step, ::step], expected[:, :: alone.legend.magnification])


def test_channels_stand_in_the_order_they_are_named() -> None:
    values = maps(4, 10)
    picture = sheet([Row("row", values, [3, 0], "layer"), row(values)])
    assert np.array_equal(cell(picture, 0, 0), cell(picture, 1, 3))
    assert picture.legend.rows[0].channels == (3, 0)


def test_on_a_shared_range_equal_values_have_equal_colours_in_every_row() -> None:
    faint = maps(2, 10) / 10
    both = [faint, np.concatenate([faint, maps(2, 10, 1)])]
    apart, shared = (sheet([Row("row", one, [0], scale) for one in both]) for scale in ("layer", shared_range(both)))
    assert not np.array_equal(cell(apart, 0, 0), cell(apart, 1, 0))
    assert np.array_equal(cell(shared, 0, 0), cell(shared, 1, 0))
    assert [one.mode for one in shared.legend.rows] == ["shared", "shared"]
    assert {one.high for one in shared.legend.rows} == {max(one.high for one in apart.legend.rows)}


def test_a_dead_channel_is_hatched() -> None:
    values = maps(2, 10)
    values[1] = 0
    light, dark = palette("diverging")[2:4].tolist()
    found = np.unique(cell(sheet([row(values)]), 0, 1).reshape(-1, 3), axis=0)
    assert found.tolist() == sorted([light, dark])


def test_maps_larger_than_a_cell_are_shown_whole_in_fewer_columns() -> None:
    picture = sheet([row(maps(5, 300))])
    assert (picture.legend.rows[0].cell_width, picture.legend.rows[0].channels) == (300, (0, 1, 2))


def test_units_of_a_dense_layer_are_single_squares() -> None:
    assert sheet([row(maps(10, 1))]).legend.rows[0].cell_height == 64


def test_rows_are_paged_and_none_is_left_out() -> None:
    rows = [row(maps(1, 4), str(index)) for index in range(ROWS_PER_PAGE + 3)]
    pages = [sheet(rows, page) for page in (1, 2)]
    assert [one.title for page in pages for one in page.legend.rows] == [one.title for one in rows]
    assert pages[0].legend.pages == 2
    with pytest.raises(InvalidParameterError, match="page=3 cannot be used; these layers have pages 1 to 2"):
        sheet(rows, 3)


def test_the_file_carries_its_legend() -> None:
    picture = sheet([row(maps(2, 4), "conv1")])
    image = Image.open(io.BytesIO(picture.png))
    image.load()
    (stated,) = json.loads(image.info["fovea.rows"])
    assert (stated["title"], stated["high"]) == ("conv1", picture.legend.rows[0].high)
