"""Header fields read from hostile bytes: exact where it matters, and never an exception."""

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from service.images.signatures import exif_orientation, image_format, jpeg_scans, likeness, webp_size

SCAN, END = b"\xff\xda\0\2\x11\xff\0\x22", b"\xff\xd9"


def test_scans_above_the_limit_are_counted_exactly() -> None:
    assert jpeg_scans(b"\xff\xd8" + SCAN * 150 + END, 100) == 150


def test_scans_after_the_end_of_the_image_do_not_count() -> None:
    assert jpeg_scans(b"\xff\xd8" + SCAN * 3 + END + b"\0\0" + SCAN * 150, 100) == 3


def test_scans_inside_a_segment_do_not_count() -> None:
    thumbnail = b"\xff\xd8" + SCAN * 150 + END
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    assert jpeg_scans(b"\xff\xd8" + segment + SCAN * 2 + END, 100) == 2


def test_a_flood_of_segments_cannot_hide_scans_behind_it() -> None:
    assert jpeg_scans(b"\xff\xd8" + b"\xff\xe0\0\2" * 20_000 + SCAN * 150, 100) > 100


@pytest.mark.parametrize("orientation", [0, 1, 5, 8, 9, 65535])
def test_an_orientation_is_one_to_eight_or_counts_as_one(orientation: int) -> None:
    exif = b"Exif\0\0II*\0" + struct.pack("<IHHHIHH", 8, 1, 0x0112, 3, 1, orientation, 0)
    assert exif_orientation(exif) == (orientation if 1 <= orientation <= 8 else 1)


@pytest.mark.parametrize("size", [(3, 2), (300, 200), (1, 500)])
@pytest.mark.parametrize("options", [{"lossless": True}, {"lossless": False}, {"xmp": b"<x/>"}], ids=str)
def test_the_size_of_a_webp_is_read_from_its_first_chunk(size: tuple[int, int], options: dict[str, object]) -> None:
    file = io.BytesIO()
    Image.new("RGB", size, "red").save(file, "WEBP", **options)
    assert webp_size(file.getvalue()) == size


def test_a_webp_of_another_first_chunk_states_no_size() -> None:
    assert webp_size(b"RIFF\0\0\0\0WEBPXXXX") is None


def test_no_exif_is_upright() -> None:
    assert exif_orientation(None) == 1


@given(st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8\xff", b"Exif\0\0II*\0\x08\0\0\0\xff\xff", b"MM\0*"]))
def test_no_bytes_raise(data: bytes, start: bytes) -> None:
    assert exif_orientation(start + data) in range(1, 9)
    assert jpeg_scans(start + data, 0) >= 0
    assert likeness(start + data)
    assert image_format(start + data) in (None, "JPEG", "PNG", "WEBP", "GIF", "BMP")
