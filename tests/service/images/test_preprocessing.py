"""From a decoded image to the numbers a network is given."""

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from service.images.preprocessing import Preprocessing, fitted, normalized, prepare, received

SIDES = st.integers(1, 60)
COLOURS = Image.fromarray(np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3))


def preprocessing(height: int = 4, width: int = 6, **fields: Any) -> Preprocessing:
    return Preprocessing.model_validate({"height": height, "width": width, "color": "rgb"} | fields)


def test_an_image_of_the_right_size_passes_unchanged_and_writable() -> None:
    prepared = prepare(COLOURS, preprocessing())
    assert np.array_equal(prepared, np.asarray(COLOURS))
    assert prepared.dtype == np.uint8
    assert prepared.flags.writeable
    assert prepared.flags.c_contiguous


def test_the_arithmetic_is_scale_then_mean_then_deviation_for_each_channel() -> None:
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.25, 0.125)
    prepared = prepare(COLOURS, preprocessing(dtype="float32", scale=1 / 255, mean=mean, std=std))
    expected = (np.asarray(COLOURS).astype(np.float64) / 255 - mean) / std
    assert prepared.dtype == np.float32
    assert np.allclose(prepared, expected, atol=1e-6)


def test_channels_first_holds_the_same_numbers_as_channels_last() -> None:
    last = prepare(COLOURS, preprocessing())
    first = prepare(COLOURS, preprocessing(layout="NCHW"))
    assert first.shape == (3, 4, 6)
    assert first.flags.c_contiguous
    assert np.array_equal(first.transpose(1, 2, 0), last)


def test_bgr_means_and_pixels_are_both_in_the_order_blue_green_red() -> None:
    pixel = Image.new("RGB", (1, 1), (10, 20, 30))
    prepared = prepare(pixel, preprocessing(1, 1, color="bgr", dtype="float32", mean=(1.0, 2.0, 3.0)))
    assert prepared.ravel().tolist() == [29, 18, 7]


def test_a_colour_image_for_a_grey_network_is_its_luma_and_a_grey_one_for_a_colour_network_three_times_itself() -> None:
    red = Image.new("RGB", (1, 1), (255, 0, 0))
    assert prepare(red, preprocessing(1, 1, color="gray")).tolist() == [[[76]]]  # 0.299 * 255, ITU-R BT.601
    assert prepare(Image.new("L", (1, 1), 9), preprocessing(1, 1)).tolist() == [[[9, 9, 9]]]


def test_crop_keeps_the_centre_and_pad_keeps_everything() -> None:
    stripes = Image.fromarray(np.repeat(np.array([[10, 200, 200, 30]], np.uint8), 2, axis=0))
    crop = received(stripes, preprocessing(2, 2, color="gray", resize="crop"))
    pad = received(stripes, preprocessing(4, 4, color="gray", resize="pad"))
    assert crop[:, :, 0].tolist() == [[200, 200], [200, 200]]
    assert pad[:, :, 0].tolist() == [[0] * 4, [10, 200, 200, 30], [10, 200, 200, 30], [0] * 4]


def test_a_crop_fraction_cuts_even_where_the_size_is_right() -> None:
    ring = np.zeros((4, 4), np.uint8)
    ring[1:3, 1:3] = 255
    cut = received(Image.fromarray(ring), preprocessing(4, 4, color="gray", resize="crop", crop_fraction=0.5))
    assert cut.min() > 0


@given(SIDES, SIDES, SIDES, SIDES, st.sampled_from(["stretch", "crop", "pad"]), st.floats(0.01, 1))
def test_any_image_fits_any_network(
    width: int, height: int, target_height: int, target_width: int, resize: str, fraction: float
) -> None:
    chosen = preprocessing(target_height, target_width, resize=resize, crop_fraction=fraction)
    assert prepare(Image.new("L", (width, height), 7), chosen).shape == (target_height, target_width, 3)


@given(SIDES, SIDES, SIDES, SIDES, st.sampled_from(["stretch", "crop"]))
@example(2, 23, 21, 1, "crop")  # the centre of 23 rows, 21 * (23 / 21) high, begins at -1.8e-15
def test_an_image_of_one_colour_keeps_it(w: int, h: int, target_height: int, target_width: int, resize: str) -> None:
    pixels = received(Image.new("RGB", (w, h), (1, 99, 255)), preprocessing(target_height, target_width, resize=resize))
    assert (pixels == (1, 99, 255)).all()


def test_the_picture_received_and_its_arithmetic_together_are_the_whole_preparation() -> None:
    chosen = preprocessing(3, 5, dtype="float32", layout="NCHW", scale=0.5, mean=(3.0,))
    assert np.array_equal(normalized(received(COLOURS, chosen), chosen), prepare(COLOURS, chosen))


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"mean": (1.0, 2.0), "dtype": "float32"}, "mean has 2 values; rgb needs 1 or 3"),
        ({"std": (1.0,) * 3, "color": "gray", "dtype": "float32"}, "std has 3 values; gray needs 1 or 1"),
        ({"mean": (float("nan"),), "dtype": "float32"}, "mean must be finite in float32"),
        ({"mean": (1e300,), "dtype": "float32"}, "mean must be finite in float32"),
        ({"scale": 1e300, "dtype": "float32"}, "scale must be finite in float32"),
        ({"std": (0.0,), "dtype": "float32"}, "std must be above 0 in float32"),
        ({"std": (1e-60,), "dtype": "float32"}, "std must be above 0 in float32"),
        ({"mean": (0.5,)}, "a uint8 input takes pixels as they are"),
        ({"height": 0}, "greater than 0"),
        ({"width": 5000}, "less than or equal to 4096"),
    ],
)
def test_a_preparation_that_cannot_work_is_refused(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        preprocessing(**fields)


@given(st.integers(1, 200), st.integers(1, 200), st.sampled_from([(28, 28), (32, 24), (24, 32)]))
@example(147, 112, (32, 24))  # the larger ratio the other way round gives 31
def test_a_padded_image_fills_the_size_that_is_told_of_it(width: int, height: int, goal: tuple[int, int]) -> None:
    size = fitted((width, height), goal)
    padded = Preprocessing(height=goal[1], width=goal[0], color="gray", resize="pad", interpolation="nearest")
    pixels = received(Image.new("L", (width, height), "white"), padded)[:, :, 0]
    assert (int((pixels.max(axis=0) > 0).sum()), int((pixels.max(axis=1) > 0).sum())) == size
