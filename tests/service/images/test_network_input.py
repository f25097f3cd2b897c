"""From the bytes of a file to what a network takes: what a large JPEG loses on the way, and what it must not."""

import io
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Int16
from PIL import Image

from service.errors import CorruptImageError, ImageTooComplexError, ImageTooLargeError, UnsupportedImageError
from service.images import decoding
from service.images.decoding import ImageLimits, decode, decode_for
from service.images.network_input import network_input, picture
from service.images.preprocessing import MARGIN, Preprocessing, normalized, received, reduction

LIMITS = ImageLimits()


def network(height: int = 16, width: int = 16, **fields: Any) -> Preprocessing:
    return Preprocessing.model_validate({"height": height, "width": width, "color": "rgb"} | fields)


def photograph(width: int, height: int) -> Image.Image:
    """Slopes, edges and a little noise in colour: what a JPEG is for, and nothing the same on two sides."""
    down, across = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(0).normal(0, 4, (height, width, 3))
    disc = ((across - width * 0.3) ** 2 + (down - height * 0.6) ** 2 < (height * 0.25) ** 2)[:, :, None]
    slopes = np.stack([255 * across / width, 255 * down / height, 128 + 0 * across], axis=2)
    return Image.fromarray(np.clip(np.where(disc, 255 - slopes, slopes) + noise, 0, 255).astype(np.uint8))


def jpeg(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90, **options)
    return buffer.getvalue()


def oriented(orientation: int) -> bytes:
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry + b"\0" * 4


def difference(data: bytes, chosen: Preprocessing) -> Int16[np.ndarray, "height width channels"]:
    """Between what the network is given and what it would be given of all pixels of the file."""
    whole = received(decode(data, LIMITS), chosen).astype(np.int16)
    between: Int16[np.ndarray, "height width channels"] = np.abs(whole - picture(data, LIMITS, chosen))
    return between


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("size", [(400, 300), (397, 299), (203, 611)])
def test_a_large_jpeg_is_decoded_smaller_and_looks_the_same(size: tuple[int, int], resize: str) -> None:
    data, chosen = jpeg(photograph(*size)), network(resize=resize)
    decoded = decode_for(chosen, data, LIMITS)
    assert decoded.image.width < size[0]
    assert decoded.extent[0] / decoded.extent[1] == pytest.approx(size[0] / size[1])
    assert difference(data, chosen).max() <= 6


@pytest.mark.parametrize("size", [(400, 304), (397, 299)])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_jpeg_too(orientation: int, size: tuple[int, int]) -> None:
    data = jpeg(photograph(*size), exif=oriented(orientation))
    smaller = decode_for(network(), data, LIMITS).image.width < min(size)
    assert smaller == (orientation == 1 or size == (400, 304))
    for resize in ("stretch", "crop", "pad"):
        assert difference(data, network(12, 20, resize=resize)).max() <= 6


def test_of_a_turned_jpeg_the_upright_width_is_what_the_networks_width_needs() -> None:
    data = jpeg(photograph(1200, 304), exif=oriented(6))
    assert decode_for(network(16, 48), data, LIMITS).image.size == (152, 600)


@pytest.mark.parametrize(
    ("make", "colour"),
    [
        (lambda: jpeg(photograph(400, 304), progressive=True), "rgb"),
        (lambda: jpeg(photograph(400, 304).convert("CMYK")), "bgr"),
        (lambda: jpeg(photograph(400, 304).convert("CMYK")), "gray"),
        (lambda: jpeg(photograph(400, 304).convert("L")), "rgb"),
        (lambda: jpeg(photograph(400, 304).convert("L")), "gray"),
        (lambda: jpeg(photograph(400, 304), subsampling=0), "rgb"),
    ],
    ids=["progressive", "CMYK", "CMYK for grey", "grey for colour", "grey", "4:4:4"],
)
def test_every_kind_of_jpeg_is_decoded_smaller(make: Callable[[], bytes], colour: str) -> None:
    data, chosen = make(), network(color=colour)
    assert decode_for(chosen, data, LIMITS).image.size == (100, 76)
    assert difference(data, chosen).max() <= 6


def test_a_colour_jpeg_for_a_grey_network_is_decoded_in_grey() -> None:
    data, chosen = jpeg(photograph(40, 30)), network(color="gray")
    assert decode_for(chosen, data, LIMITS).image.mode == "L"
    assert difference(data, chosen).mean() < 1


@given(
    st.integers(1, 3000),
    st.integers(1, 3000),
    st.integers(1, 300),
    st.integers(1, 300),
    st.sampled_from(["stretch", "crop", "pad"]),
    st.floats(0.1, 1),
)
def test_three_pixels_remain_for_each_of_the_networks(
    width: int, height: int, across: int, down: int, resize: str, fraction: float
) -> None:
    chosen = network(down, across, resize=resize, crop_fraction=fraction if resize == "crop" else 1)
    spare = reduction((width, height), chosen)
    seen = fraction if resize == "crop" else 1
    enough = max if resize == "pad" else min
    assert enough(width / across, height / down) * seen / spare >= MARGIN * (1 - 1e-9)


def test_a_network_that_takes_the_nearest_pixels_gets_those_of_the_file() -> None:
    data, chosen = jpeg(photograph(400, 300)), network(interpolation="nearest")
    assert decode_for(chosen, data, LIMITS).image.size == (400, 300)
    assert difference(data, chosen).max() == 0


def test_an_image_of_few_pixels_or_of_another_format_keeps_them_all() -> None:
    assert decode_for(network(), jpeg(photograph(90, 60)), LIMITS).image.size == (90, 60)
    buffer = io.BytesIO()
    photograph(400, 300).save(buffer, "WEBP", lossless=True)
    assert decode_for(network(), buffer.getvalue(), LIMITS).image.size == (400, 300)


def test_the_limits_are_for_the_pixels_sent() -> None:
    with pytest.raises(ImageTooLargeError, match="400x300 = 120,000 pixels"):
        network_input(jpeg(photograph(400, 300)), ImageLimits(max_pixels=119_999), network())


def lossless_jpeg() -> bytes:
    """2x2 pixels in three colours, all of them the middle of the range: twelve differences of none."""

    def segment(marker: int, body: bytes) -> bytes:
        return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body

    table = segment(0xC4, b"\0" + b"\1" + bytes(15) + b"\0")
    frame = segment(0xC3, struct.pack(">BHHB", 8, 2, 2, 3) + b"\1\x11\0\2\x11\0\3\x11\0")
    scan = segment(0xDA, b"\3\1\0\2\0\3\0\1\0\0")
    return b"\xff\xd8" + table + frame + scan + b"\x00\x0f\xff\xd9"


def test_a_lossless_jpeg_is_decoded_as_it_is() -> None:
    """libjpeg-turbo neither scales one nor turns its colours to grey."""
    assert decode(lossless_jpeg(), LIMITS).mode == "RGB"
    assert picture(lossless_jpeg(), LIMITS, network(1, 1, color="gray")).tolist() == [[[128]]]


@given(st.integers(0, 2**32), st.integers(1, 6), st.sampled_from(["gray", "rgb"]), st.booleans())
def test_a_damaged_jpeg_gives_a_picture_or_an_image_error(
    seed: int, damages: int, colour: str, progressive: bool
) -> None:
    data = bytearray(DAMAGED[progressive])
    for place in np.random.default_rng(seed).integers(0, len(data), damages):
        data[place] ^= 1 << (seed % 8)
    with suppress(CorruptImageError, ImageTooLargeError, ImageTooComplexError, UnsupportedImageError):
        assert picture(bytes(data), LIMITS, network(4, 4, color=colour)).shape[:2] == (4, 4)


DAMAGED = [jpeg(photograph(97, 60), progressive=progressive) for progressive in (False, True)]


def test_the_input_is_the_picture_and_its_arithmetic() -> None:
    data = jpeg(photograph(400, 300))
    chosen = network(layout="NCHW", dtype="float32", scale=1 / 255, mean=(0.5,), resize="crop", crop_fraction=0.875)
    assert np.array_equal(network_input(data, LIMITS, chosen), normalized(picture(data, LIMITS, chosen), chosen))


def test_wherever_the_reads_of_a_file_run_out_it_is_corrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    data, given_up = jpeg(photograph(97, 60)), 0
    for reads in range(1, 100):
        monkeypatch.setattr(decoding, "_MAX_READS", reads)
        try:
            network_input(data, LIMITS, network(4, 4))
        except CorruptImageError:
            given_up += 1
    assert 30 < given_up < 99
