"""Overlays read back as pixels: each cell's colour where its place is, the picture elsewhere."""

import io
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image

from service.images.colours import palette
from service.images.overlay import Overlay, Placement, overlay

GREY = np.full((12, 10, 1), 100, np.uint8)
OFF_THE_EDGE = Placement(centre=(2.5, 3.0), jump=(4.0, 2.0))  # rows 1-4 and 5-8; columns 2-4 and 4-6


def colours(picture: Overlay) -> np.ndarray:
    """One pixel per pixel of the received picture: its middle."""
    pixels = np.asarray(Image.open(io.BytesIO(picture.png)))
    step = picture.legend.magnification
    return pixels[step // 2 :: step, step // 2 :: step]


def test_cells_lie_where_their_centres_are_and_the_picture_shows_alone_elsewhere() -> None:
    shown = colours(overlay(GREY, np.array([[1.0, 2.0], [3.0, 4.0]]), OFF_THE_EDGE))
    is_picture = (shown == 100).all(axis=-1)
    assert is_picture[[0, 9, 10, 11]].all()
    assert not is_picture[1:9, 3:6].any()
    assert len({tuple(shown[2, 3]), tuple(shown[2, 5]), tuple(shown[6, 3]), tuple(shown[6, 5])}) == 4
    assert (shown[1:5, 3] == shown[1, 3]).all()
    assert (shown[5:9, 3] == shown[5, 3]).all()


def test_the_legend_says_where_each_cell_begins_in_pixels_of_the_picture() -> None:
    picture = overlay(GREY, np.array([[1.0, 2.0], [3.0, 4.0]]), OFF_THE_EDGE)
    legend, pixels = picture.legend, np.asarray(Image.open(io.BytesIO(picture.png)))
    top, left = round(legend.top), round(legend.left)
    height, width = round(legend.cell_height), round(legend.cell_width)
    for y, x in np.ndindex(2, 2):
        cell = pixels[top + y * height : top + (y + 1) * height, left + x * width : left + (x + 1) * width]
        assert (cell == cell[0, 0]).all()
    assert (pixels[top - 1, left + 1] == 100).all()
    assert (pixels[top + 2 * height, left + 1] == 100).all()


def test_half_of_the_colour_is_the_values_and_half_is_the_picture() -> None:
    shown = colours(overlay(GREY, np.array([[1.0, -1.0]]), Placement((5.5, 2.0), (12.0, 5.0))))
    ends = palette("diverging")[[-1, 4]].astype(float)
    assert np.array_equal(shown[5, [2, 7]], np.rint((ends + 100) / 2))


def test_a_colour_picture_is_shown_in_grey_so_that_every_colour_means_a_value() -> None:
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[..., 0] = 255
    shown = colours(overlay(picture, np.array([[1.0]]), Placement((0.0, 0.0), (1.0, 1.0))))
    assert (shown[3, 3] == 76).all()


def test_smooth_goes_from_centre_to_centre_and_keeps_the_values_there() -> None:
    values = np.array([[0.0, 8.0]])
    place = Placement((5.5, 2.0), (12.0, 5.0))
    steps, smooth = (colours(overlay(GREY, values, place, smooth=s))[5].astype(int) for s in (False, True))
    assert np.array_equal(steps[2], smooth[2])
    assert np.array_equal(steps[7], smooth[7])
    lightness = smooth[2:8] @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(lightness) > 0).all()


@pytest.mark.parametrize("smooth", [False, True])
def test_what_is_no_number_is_magenta_and_covers_the_picture(smooth: bool) -> None:
    shown = colours(overlay(GREY, np.array([[np.nan, 1.0]]), Placement((5.5, 2.0), (12.0, 5.0)), smooth=smooth))
    assert tuple(shown[5, 1]) == (255, 0, 255)
    assert tuple(shown[5, 8]) != (255, 0, 255)


def test_a_map_far_larger_than_the_picture_is_clipped_to_it() -> None:
    picture = overlay(GREY, np.ones((3, 3)), Placement((-40.0, -40.0), (50.0, 50.0)))
    assert not (colours(picture) == 100).all(axis=-1).any()


def test_small_pictures_are_enlarged_by_a_whole_factor_and_large_ones_left() -> None:
    place = Placement((0.0, 0.0), (1.0, 1.0))
    assert overlay(GREY, np.ones((1, 1)), place).legend.magnification == 56
    assert overlay(np.zeros((2, 700, 3), np.uint8), np.ones((1, 1)), place).legend.magnification == 1


def test_the_file_carries_its_legend() -> None:
    picture = overlay(GREY, np.ones((1, 1)), OFF_THE_EDGE, scale=(0.0, 2.0), title="conv1")
    image = Image.open(io.BytesIO(picture.png))
    image.load()
    assert {f"fovea.{field}" for field in asdict(picture.legend)} <= image.info.keys()
    assert (image.info["fovea.title"], image.info["fovea.mode"], image.info["fovea.high"]) == ("conv1", "fixed", "2.0")
