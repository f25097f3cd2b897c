"""Feature maps as pictures: read back as PNG and compared value by value."""

import io
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from service.errors import InvalidParameterError
from service.images.colours import Scale
from service.images.pictures import CHANNELS_PER_PAGE, Grid, grid
from service.images.png import rgb_png

WHITE, MAGENTA, GUTTER = (255, 255, 255), (255, 0, 255), (128, 128, 128)


def colours(picture: Grid) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(picture.png)).convert("RGB"))


def cells(picture: Grid) -> np.ndarray:
    """[channels, height, width, 3] of the page, at the magnification of the picture."""
    legend, pixels = picture.legend, colours(picture)
    height, width = legend.cell_height, legend.cell_width
    places = (divmod(index, legend.columns) for index in range(len(legend.channels)))
    corners = [(row * (height + 1), column * (width + 1)) for row, column in places]
    return np.stack([pixels[top : top + height, left : left + width] for top, left in corners])


def maps(channels: int = 3, height: int = 4, width: int = 5) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(channels, height, width)).astype(np.float32)


def test_every_value_is_a_square_and_the_colour_says_its_order() -> None:
    rising = np.arange(49, dtype=np.float32).reshape(1, 7, 7) + 1
    picture = grid(rising)
    squares = cells(picture)[0].reshape(7, picture.legend.magnification, 7, picture.legend.magnification, 3)
    assert picture.legend.magnification == 64
    assert (squares == squares[:, :1, :, :1]).all()
    lightness = squares[:, 0, :, 0].reshape(49, 3).astype(float) @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(lightness) > 0).all()


def test_signed_values_diverge_from_white_at_zero_on_a_symmetric_range() -> None:
    picture = grid(np.array([[[-2.0, 0.0, 1.0]]], np.float32))
    assert (picture.legend.colormap, picture.legend.low, picture.legend.high) == ("diverging", -2, 2)
    negative, zero, positive = cells(picture)[0, 0, :: picture.legend.magnification].astype(int)
    assert tuple(zero) == WHITE
    assert negative[2] > negative[0]  # blue
    assert positive[0] > positive[2]  # red


def test_values_that_are_never_negative_go_from_dark_at_zero_to_light() -> None:
    picture = grid(np.array([[[0.0, 3.0, 4.0]]], np.float32))
    assert (picture.legend.colormap, picture.legend.low, picture.legend.high) == ("sequential", 0, 4)


def test_on_the_layers_range_a_faint_channel_is_faint_and_on_its_own_it_is_not() -> None:
    strong = np.array([[0.0, 100.0]], np.float32)
    both = np.stack([strong, strong / 100])
    on_layer, on_channel = cells(grid(both)), cells(grid(both, scale="channel"))
    assert not np.array_equal(on_layer[0], on_layer[1])
    assert np.array_equal(on_channel[0], on_channel[1])


def test_two_pictures_on_a_given_range_have_the_same_colour_for_the_same_value() -> None:
    one = grid(np.array([[[1.0, 2.0]]], np.float32), scale=(0.0, 8.0))
    other = grid(np.array([[[2.0, 8.0]]], np.float32), scale=(0.0, 8.0))
    assert one.legend.mode == "fixed"
    assert tuple(cells(one)[0, 0, -1]) == tuple(cells(other)[0, 0, 0])


def test_a_given_range_across_zero_is_widened_so_that_white_stays_zero() -> None:
    picture = grid(np.array([[[0.0, 3.0]]], np.float32), scale=(-1.0, 3.0))
    assert (picture.legend.low, picture.legend.high) == (-3, 3)
    assert tuple(cells(picture)[0, 0, 0]) == WHITE


def test_one_glaring_value_does_not_darken_the_rest_and_the_legend_says_what_was_clipped() -> None:
    values = np.ones((1, 40, 50), np.float32)
    values[0, 0, 0] = 1e6
    legend = grid(values).legend
    assert legend.high == 1
    assert legend.clipped == 1 / 2000


def test_a_channel_of_zeros_is_hatched_and_one_of_another_constant_is_not() -> None:
    values = np.stack([np.zeros((8, 8)), np.ones((8, 8)), np.full((8, 8), 2)]).astype(np.float32)
    number_of_colours = [len(np.unique(cell @ (1, 256, 65536))) for cell in cells(grid(values))]
    assert number_of_colours == [2, 1, 1]


@pytest.mark.parametrize("scale", ["layer", "channel", (-1.0, 1.0)])
@pytest.mark.parametrize("invalid", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_magenta_and_spoils_nothing_else(scale: Scale, invalid: float) -> None:
    values = np.array([[[invalid, 0.0, -1.0]]], np.float32)
    wrong, zero, _ = cells(grid(values, scale=scale))[0, 0, :: grid(values).legend.magnification]
    assert (tuple(wrong), tuple(zero)) == (MAGENTA, WHITE)


def test_zeros_on_a_channels_own_range_are_white_too() -> None:
    values = np.array([[[-1.0, 1.0]], [[np.nan, 0.0]]], np.float32)
    assert tuple(cells(grid(values, scale="channel"))[1, 0, -1]) == WHITE


@given(st.integers(1, 1300), st.integers(1, 9), st.integers(1, 9))
def test_every_channel_is_on_exactly_one_page(channels: int, height: int, width: int) -> None:
    values = np.ones((channels, height, width), np.float32)
    legends = [grid(values).legend]
    legends += [grid(values, page=page).legend for page in range(2, legends[0].pages + 1)]
    shown = [channel for legend in legends for channel in legend.channels]
    assert shown == list(range(channels))
    assert max(len(legend.channels) for legend in legends) <= CHANNELS_PER_PAGE
    assert len({(legend.columns, legend.magnification) for legend in legends}) == 1


def test_large_maps_are_paged_by_pixels() -> None:
    legend = grid(np.ones((20, 600, 600), np.float32)).legend
    assert (legend.pages, legend.channels, legend.magnification) == (2, tuple(range(11)), 1)


def test_tiles_are_one_pixel_apart_and_the_layout_is_near_square() -> None:
    picture = grid(np.ones((96, 55, 55), np.float32))
    pixels = colours(picture)
    assert (picture.legend.columns, pixels.shape) == (10, (1109, 1109, 3))
    assert (pixels[110] == GUTTER).all()
    assert (pixels[109, 109] != GUTTER).any()
    assert (pixels[999:, 6 * 111 :] == GUTTER).all()  # no channel 96


def test_a_dense_layer_is_a_grid_of_single_squares() -> None:
    picture = grid(np.arange(10, dtype=np.float16).reshape(10, 1, 1))
    assert picture.legend.cell_height == picture.legend.cell_width == 64
    assert cells(picture).shape == (10, 64, 64, 3)


def test_the_file_is_a_palette_png_that_carries_its_own_legend() -> None:
    picture = grid(maps())
    image = Image.open(io.BytesIO(picture.png))
    image.load()
    assert image.mode == "P"
    assert image.info["fovea.mode"] == "layer"
    assert float(image.info["fovea.high"]) == picture.legend.high
    assert {f"fovea.{field}" for field in asdict(picture.legend)} <= image.info.keys()


@given(st.lists(st.floats(width=64), min_size=1, max_size=12), st.sampled_from(["layer", "channel"]))
def test_any_floats_make_a_picture(values: list[float], scale: Scale) -> None:
    legend = grid(np.array(values).reshape(-1, 1, 1), scale=scale).legend
    assert np.isfinite([legend.low, legend.high]).all()
    assert legend.low <= legend.high


@pytest.mark.parametrize(
    ("scale", "page", "sentence"),
    [
        ("layer", 0, "page=0 cannot be used; this layer has pages 1 to 1"),
        ("layer", 2, "page=2 cannot be used; this layer has pages 1 to 1"),
        ((2.0, 1.0), 1, "give two finite numbers, the lower one first"),
        ((0.0, float("nan")), 1, "give two finite numbers, the lower one first"),
    ],
)
def test_a_page_or_range_that_does_not_exist_is_refused(scale: Scale, page: int, sentence: str) -> None:
    with pytest.raises(InvalidParameterError, match=sentence):
        grid(maps(), scale=scale, page=page)


def test_a_layer_without_values_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match="layer='0x3x3' cannot be used"):
        grid(np.zeros((0, 3, 3), np.float32))


@pytest.mark.parametrize("channels", [1, 3])
def test_plain_pixels_come_back_from_their_png(channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, channels), np.uint8)
    image = np.asarray(Image.open(io.BytesIO(rgb_png(pixels))))
    assert np.array_equal(image.reshape(pixels.shape), pixels)
