"""Comparisons read back from their pixels: one scale for both, white where nothing changed."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from service.arrays import FeatureMaps
from service.errors import InvalidParameterError
from service.images.comparison import Comparison, comparison

WHITE = (255, 255, 255)


def maps(seed: int, channels: int = 6, height: int = 4, width: int = 5) -> FeatureMaps:
    return np.random.default_rng(seed).normal(size=(channels, height, width)).astype(np.float32)


def panels(picture: Comparison) -> list[list[np.ndarray]]:
    """For each channel shown, its three panels as [height, width, 3], one pixel a value."""
    pixels = np.asarray(Image.open(io.BytesIO(picture.png)).convert("RGB"))
    legend = picture.legend
    height, width = legend.cell_height, legend.cell_width
    first, second, between = legend.gaps
    starts = (0, width + first, 2 * width + first + second)
    found = []
    for place in range(len(legend.channels)):
        row, column = divmod(place, legend.columns)
        top, left = row * (height + between), column * (starts[2] + width + between)
        cells = [pixels[top : top + height, left + start : left + start + width] for start in starts]
        found.append([cell[:: legend.magnification, :: legend.magnification] for cell in cells])
    return found


def test_one_value_has_one_colour_in_both_and_every_channel() -> None:
    a, b = maps(0), maps(1)
    a[2, 1, 3] = b[5, 0, 0] = b[0, 2, 2] = 0.7
    seen = panels(comparison(a, b))
    assert (seen[2][0][1, 3] == seen[5][1][0, 0]).all()
    assert (seen[2][0][1, 3] == seen[0][1][2, 2]).all()


def test_the_difference_is_white_where_nothing_changed_red_where_b_is_larger_and_blue_where_it_is_smaller() -> None:
    a = maps(0)
    b = a.copy()
    b[3, 0, 0] += 1
    b[3, 3, 4] -= 1
    change = panels(comparison(a, b))[3][2]
    assert tuple(change[1, 1]) == WHITE
    assert change[0, 0, 0] > change[0, 0, 2]
    assert change[3, 4, 2] > change[3, 4, 0]


def test_maps_without_negative_values_are_sequential_and_their_difference_still_diverges() -> None:
    a, b = np.abs(maps(0)), np.abs(maps(1))
    a[1, 2, 2] = b[1, 2, 2] = 0
    picture = comparison(a, b)
    assert (picture.legend.colormap, picture.legend.low) == ("sequential", (0,))
    dark, _, change = panels(picture)[1]
    assert dark[2, 2].sum() < 255
    assert tuple(change[2, 2]) == WHITE


def test_the_legend_states_the_range_of_both_and_that_of_the_difference() -> None:
    a, b = maps(0, channels=2), maps(1, channels=2)
    b[0, 0, 0] = 9
    legend = comparison(a, b).legend
    assert (legend.low, legend.high) == ((-9,), (9,))
    assert legend.difference == pytest.approx((np.abs(b - a).max(),))
    assert legend.clipped == legend.difference_clipped == 0


def test_on_the_scale_of_channels_each_has_its_own_range_over_both() -> None:
    a, b = np.abs(maps(0)), np.abs(maps(1))
    b[4] *= 100
    legend = comparison(a, b, scale="channel").legend
    assert legend.high == pytest.approx(np.maximum(a, b).max(axis=(1, 2)))
    assert legend.low == pytest.approx(np.minimum(a, b).min(axis=(1, 2)))
    assert legend.difference == pytest.approx(np.abs(b - a).max(axis=(1, 2)))


def test_dead_channels_are_hatched_and_so_is_a_difference_that_there_is_none_of() -> None:
    a, b = maps(0, height=8, width=8), maps(1, height=8, width=8)
    a[1] = 0
    b[2] = a[2]
    seen = panels(comparison(a, b))
    hatched = {(214, 214, 214), (160, 160, 160)}
    assert {tuple(colour) for row in seen[1][0].tolist() for colour in row} <= hatched
    assert {tuple(colour) for row in seen[2][2].tolist() for colour in row} <= hatched
    assert not {tuple(colour) for row in seen[1][1].tolist() for colour in row} & hatched


def test_two_dead_layers_still_make_a_picture() -> None:
    nothing = np.zeros((3, 2, 2), np.float32)
    assert comparison(nothing, nothing).legend.difference == (1,)


def test_what_is_not_a_number_is_magenta_in_its_panel_and_in_the_difference() -> None:
    a, b = maps(0), maps(1)
    a[0, 0, 0], b[0, 0, 0] = np.inf, np.inf
    first, _, change = panels(comparison(a, b))[0]
    assert tuple(first[0, 0]) == tuple(change[0, 0]) == (255, 0, 255)


def test_pages_show_every_channel_once_on_one_scale() -> None:
    a, b = maps(0, channels=400), maps(1, channels=400)
    pages = [comparison(a, b, page=page).legend for page in (1, 2, 3)]
    assert [channel for legend in pages for channel in legend.channels] == list(range(400))
    assert {legend.pages for legend in pages} == {3}
    assert len({(legend.low, legend.high, legend.difference) for legend in pages}) == 1


def test_one_channel_alone_is_enlarged_and_has_the_same_colours() -> None:
    a, b = maps(0), maps(1)
    alone, among = comparison(a, b, channel=4), comparison(a, b)
    assert alone.legend.magnification > among.legend.magnification
    for one, other in zip(panels(alone)[0], panels(among)[4], strict=True):
        assert np.array_equal(one, other)


def test_units_of_a_dense_layer_are_one_cell_each() -> None:
    units = np.arange(10, dtype=np.float32)[:, None, None]
    legend = comparison(units, units[::-1]).legend
    assert (legend.cell_height, legend.channels) == (legend.magnification, tuple(range(10)))


def test_the_png_carries_its_legend() -> None:
    picture = comparison(maps(0), maps(1))
    text = Image.open(io.BytesIO(picture.png)).info
    assert json.loads(text["fovea.panels"]) == ["a", "b", "b - a"]
    assert tuple(json.loads(text["fovea.low"])) == picture.legend.low


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"page": 2}, "page=2 cannot be used; this layer has pages 1 to 1"),
        ({"channel": 6}, "channel=6 cannot be used; this layer has channels 0 to 5"),
    ],
)
def test_a_page_or_channel_that_is_not_there_names_those_that_are(options: dict[str, int], message: str) -> None:
    with pytest.raises(InvalidParameterError, match=message):
        comparison(maps(0), maps(1), **options)  # type: ignore[arg-type]  # forwarded as they are


def test_a_layer_without_values_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match="ask for a layer that has values"):
        comparison(np.zeros((0, 2, 2), np.float32), np.zeros((0, 2, 2), np.float32))
