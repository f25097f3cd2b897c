"""The decoder against files made here, and against a collection of hostile ones where it is at hand."""

import csv
import io
import os
import struct
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from service.errors import (
    CorruptImageError,
    EmptyImageError,
    ImageTooComplexError,
    ImageTooLargeError,
    UnsupportedImageError,
)
from service.images.decoding import FORMATS, ImageLimits, decode, upright_size
from service.images.network_input import network_input
from service.images.preprocessing import Preprocessing

LIMITS = ImageLimits()
HOSTILE = Path(os.environ.get("FOVEA_DATA", "../shared/data")) / "hostile-images"


def saved(image: Image.Image, image_format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def decoded(image: Image.Image, image_format: str = "PNG", **options: object) -> Image.Image:
    return decode(saved(image, image_format, **options), LIMITS)


def verdict(data: bytes, purpose: Preprocessing | None = None) -> str:
    try:
        if purpose is not None:
            network_input(data, LIMITS, purpose)
            return "200"
        image = decode(data, LIMITS)
    except UnsupportedImageError:
        return "415"
    except (EmptyImageError, CorruptImageError, ImageTooLargeError, ImageTooComplexError):
        return "422"
    assert image.mode in ("L", "RGB")
    return "200"


def chunk(name: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *chunks: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND")


def oriented(value: int | bytes, kind: int = 3) -> bytes:
    """An EXIF block with nothing but the orientation, little-endian."""
    entry = struct.pack("<HHI", 0x0112, kind, 1) + (struct.pack("<HH", value, 0) if isinstance(value, int) else value)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry + b"\0" * 4


@pytest.fixture
def corners() -> Image.Image:
    """4 wide, 2 high, a different grey in every corner."""
    return Image.fromarray(np.array([[10, 0, 0, 60], [110, 0, 0, 210]], np.uint8))


# --- what every format gives


@pytest.mark.parametrize("image_format", ["PNG", "BMP", "WEBP", "GIF"])
def test_a_lossless_file_gives_the_pixels_that_were_saved(image_format: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    if image_format == "GIF":
        pixels[:] = pixels[:, :, :1]  # a palette of 35 greys holds every colour
    image = decoded(Image.fromarray(pixels), image_format, **({"lossless": True} if image_format == "WEBP" else {}))
    assert np.array_equal(np.asarray(image.convert("RGB")), pixels)


def test_a_jpeg_gives_nearly_the_pixels_that_were_saved() -> None:
    image = decoded(Image.new("RGB", (16, 16), (200, 100, 50)), "JPEG", quality=95)
    assert np.abs(np.asarray(image).astype(int) - (200, 100, 50)).max() <= 2


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "BMP", "GIF"])
def test_a_greyscale_file_stays_mode_l(image_format: str) -> None:
    assert decoded(Image.linear_gradient("L"), image_format).mode == "L"


def test_the_signature_decides_and_not_any_name_or_claim() -> None:
    assert decode(saved(Image.new("RGB", (3, 2)), "GIF"), LIMITS).size == (3, 2)


@pytest.mark.parametrize(
    ("value", "expected"), [(0, 0), (128, 0), (129, 1), (257, 1), (300, 1), (32768, 128), (65406, 254), (65535, 255)]
)
def test_sixteen_bit_grey_is_scaled_and_not_clipped(value: int, expected: int) -> None:
    image = decoded(Image.fromarray(np.full((2, 2), value, np.uint16)))
    assert (image.mode, image.getpixel((1, 1))) == ("L", expected)


def test_the_transparent_value_of_a_sixteen_bit_grey_file_becomes_white() -> None:
    rows = b"\0" + struct.pack(">HH", 300, 600)
    image = decode(png(2, 1, 16, 0, rows, chunk(b"tRNS", struct.pack(">H", 300))), LIMITS)
    assert list(np.asarray(image)[0]) == [255, 2]


@pytest.mark.parametrize("alpha", [0, 64, 255])
def test_transparency_is_composited_on_white(alpha: int) -> None:
    image = decoded(Image.new("RGBA", (2, 2), (200, 100, 0, alpha)))
    expected = [round(255 + (colour - 255) * alpha / 255) for colour in (200, 100, 0)]
    assert image.mode == "RGB"
    assert np.abs(np.asarray(image)[0, 0].astype(int) - expected).max() <= 1


def test_grey_with_transparency_stays_grey_on_white() -> None:
    image = decoded(Image.new("LA", (2, 2), (10, 0)))
    assert (image.mode, image.getpixel((0, 0))) == ("L", 255)


def test_a_palette_becomes_its_colours() -> None:
    image = decoded(Image.new("RGB", (2, 2), (1, 2, 3)).quantize(2))
    assert (image.mode, image.getpixel((0, 0))) == ("RGB", (1, 2, 3))


def test_the_transparent_entry_of_a_palette_becomes_white() -> None:
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    for options in ({"transparency": 0}, {"transparency": bytes([0, 255])}):
        assert np.asarray(decoded(palette, **options)).tolist() == [[[255, 255, 255], [40, 50, 60]]]


def test_the_transparent_colour_of_an_rgb_file_becomes_white() -> None:
    image = decoded(Image.new("RGB", (1, 1), (9, 8, 7)), transparency=(9, 8, 7))
    assert image.getpixel((0, 0)) == (255, 255, 255)


def test_of_sixteen_bit_colours_only_the_transparent_one_becomes_white() -> None:
    """All 16 bits of it: not what shares the upper bytes with it, nor what has its lower ones for upper ones."""
    colours = [(0x1234, 0x1234, 0x1234), (0x1235, 0x1234, 0x1234), (0x3412, 0x3434, 0x34FF)]
    rows = b"\0" + b"".join(struct.pack(">3H", *colour) for colour in colours)
    image = decode(png(3, 1, 16, 2, rows, chunk(b"tRNS", struct.pack(">3H", *colours[0]))), LIMITS)
    assert np.asarray(image)[0].tolist() == [[255, 255, 255], [0x12, 0x12, 0x12], [0x34, 0x34, 0x34]]


@pytest.mark.parametrize(("depth", "row", "transparent", "expected"), [
    (1, b"\x40", 0, [255, 255]), (1, b"\x40", 1, [0, 255]),
    (2, b"\x60", 1, [255, 170]), (2, b"\x60", 2, [85, 255]), (2, b"\xc0", 3, [255, 0]),
    (4, b"\x5a", 5, [255, 170]), (4, b"\x5a", 10, [85, 255]), (4, b"\x5a", 0, [85, 170]),
])  # fmt: skip
def test_the_transparent_value_of_a_grey_file_with_few_bits_becomes_white(
    depth: int, row: bytes, transparent: int, expected: list[int]
) -> None:
    image = decode(png(2, 1, depth, 0, b"\0" + row, chunk(b"tRNS", struct.pack(">H", transparent))), LIMITS)
    assert (image.mode, np.asarray(image)[0].tolist()) == ("L", expected)


def test_one_bit_files_are_black_and_white_in_mode_l() -> None:
    image = decoded(Image.fromarray(np.array([[True, False]])))
    assert (image.mode, np.asarray(image).tolist()) == ("L", [[255, 0]])


def test_a_cmyk_jpeg_has_the_colours_of_its_inks() -> None:
    image = decoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)
    assert np.abs(np.asarray(image)[8, 8].astype(int) - (255, 0, 0)).max() <= 6


@pytest.mark.parametrize("image_format", ["GIF", "WEBP", "PNG"])
def test_only_the_first_frame_of_an_animation_counts(image_format: str) -> None:
    frames = [Image.new("RGB", (2, 2), colour) for colour in ("red", "blue", "lime")]
    options = {"lossless": True} if image_format == "WEBP" else {}
    image = decoded(frames[0], image_format, save_all=True, append_images=frames[1:], **options)
    assert image.convert("RGB").getpixel((0, 0)) == (255, 0, 0)


# --- orientation


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_undone(orientation: int, image_format: str) -> None:
    upright = np.kron(np.array([[10, 90], [170, 250], [60, 130]], np.uint8), np.ones((8, 8), np.uint8))
    # How a camera would have stored it: rows and columns as the EXIF standard's table of orientations names them.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    options = {"lossless": True} if image_format == "WEBP" else {"quality": 95} if image_format == "JPEG" else {}
    image = decoded(Image.fromarray(np.ascontiguousarray(stored)), image_format, exif=oriented(orientation), **options)
    assert image.size == (16, 24)
    assert np.abs(np.asarray(image.convert("L")).astype(int) - upright).max() <= 2


@pytest.mark.parametrize(
    "exif",
    [
        oriented(0),
        oriented(9),
        oriented(65535),
        oriented(b"6\0\0\0", kind=2),
        oriented(struct.pack("<f", float("nan")), kind=11),
        b"Exif\0\0",
        b"Exif\0\0II*\0" + struct.pack("<I", 2**32 - 1),
        b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 65535),
        b"Exif\0\0LoremIpsum",
    ],
    ids=["0", "9", "65535", "text", "nan", "empty", "directory outside", "65535 entries", "garbage"],
)
def test_an_invalid_orientation_counts_as_upright(corners: Image.Image, exif: bytes) -> None:
    assert np.array_equal(np.asarray(decoded(corners, exif=exif)), np.asarray(corners))


def test_a_big_endian_orientation_is_read(corners: Image.Image) -> None:
    exif = b"Exif\0\0MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, 3, 0, 0)
    assert decoded(corners, exif=exif).getpixel((0, 0)) == 210


def test_a_broken_file_with_an_orientation_is_still_broken(corners: Image.Image) -> None:
    """Pillow's exif_transpose may fail, after which a second load can succeed on half an image."""
    data = saved(corners, exif=oriented(6))
    where = data.index(b"IDAT") + 8
    with pytest.raises(CorruptImageError):
        decode(data[:where] + b"\0\0" + data[where + 2 :], LIMITS)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("behind", [False, True])
def test_the_size_upright_is_that_of_the_decoded_image_wherever_the_orientation_stands(
    orientation: int, behind: bool
) -> None:
    stated = chunk(b"eXIf", oriented(orientation).removeprefix(b"Exif\0\0"))
    plain = png(3, 2, 8, 2, (b"\0" + bytes(9)) * 2)
    where = plain.index(b"IEND" if behind else b"IDAT") - 4
    data = plain[:where] + stated + plain[where:]
    assert upright_size(data) == decode(data, LIMITS).size == ((3, 2) if orientation == 1 else (2, 3))


# --- what is refused, and what the refusal says


def test_no_bytes_are_an_empty_image() -> None:
    with pytest.raises(EmptyImageError):
        decode(b"", LIMITS)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"<!DOCTYPE html><title>404</title>", "an HTML page"),
        (b"\n <html><body>", "an HTML page"),
        (b'<?xml version="1.0"?>\n<!-- x -->\n<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
        (b"<?xml version='1.0'?><a/>", "XML"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "a PostScript file"),
        (b"PK\x03\x04 photos.zip", "a ZIP archive"),
        (b"II*\0\x08\0\0\0", "a TIFF image"),
        (b"\0\0\0\x20ftypavif", "an AVIF or HEIC image"),
        (b"\0\0\0\x20ftypheic", "an AVIF or HEIC image"),
        (b"\0\0\0\x20ftypisom", "a video (MP4)"),
        (b"data:image/png;base64,iVBORw0KGgo=", "a data URI"),
        (b"iVBORw0KGgoAAAANSUhEUg", "base64 text"),
        (b'{"image": "cat.jpg"}', "JSON"),
        (b"/home/user/cat.jpg\n", "text"),
        (b"\x93NUMPY\x01\0", "a NumPy array"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "a RIFF file other than WebP"),
        (b"\x01\x02\x03\x04", "of no known format"),
        (b"\x89PNG\r\n\x1a\n", "a PNG signature without a readable PNG header"),
        (b"\xff\xd8\xff", "a JPEG signature without a readable JPEG header"),
    ],
)
def test_what_is_no_image_is_called_what_it_looks_like(data: bytes, found: str) -> None:
    with pytest.raises(UnsupportedImageError, match=r"send one of: JPEG, PNG, WEBP, GIF, BMP") as refusal:
        decode(data, LIMITS)
    assert f"the bytes are {found}" in refusal.value.detail


@pytest.mark.parametrize("image_format", FORMATS)
def test_a_file_cut_in_half_is_corrupt_and_named_by_its_format(image_format: str) -> None:
    whole = saved(Image.effect_noise((64, 64), 80).convert("RGB"), image_format)
    with pytest.raises(CorruptImageError, match=f"the {image_format} image cannot be decoded"):
        decode(whole[: len(whole) // 2], LIMITS)


def test_a_file_whose_checksum_is_wrong_is_corrupt() -> None:
    data = bytearray(saved(Image.effect_noise((8, 8), 80)))
    data[-20] ^= 1
    with pytest.raises(CorruptImageError):
        decode(bytes(data), LIMITS)


def test_too_many_pixels_are_seen_in_the_header() -> None:
    with pytest.raises(ImageTooLargeError, match=r"9000x9000 = 81,000,000 pixels; send at most 25,000,000"):
        decode(png(9000, 9000, 8, 0, b""), LIMITS)


def test_too_long_a_side_is_seen_in_the_header() -> None:
    with pytest.raises(ImageTooLargeError, match="20000x1 = 20,000 pixels"):
        decode(png(20000, 1, 8, 0, b""), LIMITS)


def test_an_image_exactly_at_the_limits_passes() -> None:
    limits = ImageLimits(max_pixels=6, max_side=3)
    assert decode(saved(Image.new("L", (3, 2))), limits).size == (3, 2)
    with pytest.raises(ImageTooLargeError):
        decode(saved(Image.new("L", (3, 3))), limits)
    with pytest.raises(ImageTooLargeError):
        decode(saved(Image.new("L", (4, 1))), limits)


def scans(count: int) -> bytes:
    """A progressive JPEG that repeats its last scan until it has `count`."""
    data = saved(Image.new("L", (8, 8), 90), "JPEG", progressive=True)
    start = data.rindex(b"\xff\xda")
    missing = count - data.count(b"\xff\xda")
    return data[:-2] + data[start:-2] * missing + data[-2:]


def test_a_jpeg_of_many_scans_is_refused_before_it_is_decoded() -> None:
    assert decode(scans(100), LIMITS).size == (8, 8)
    with pytest.raises(
        ImageTooComplexError, match=r"the JPEG has 101 scans, and at 8x8 pixels at most 100; send it smaller"
    ):
        decode(scans(101), LIMITS)


@pytest.mark.parametrize(
    ("pixels", "scans"), [(1, 100), (5_000_000, 100), (10_000_000, 50), (25_000_000, 20), (10**9, 12)]
)
def test_the_larger_a_jpeg_the_fewer_scans_it_may_have(pixels: int, scans: int) -> None:
    """500 million pixels gone over, and never fewer scans than an ordinary progressive file has."""
    assert LIMITS.jpeg_scans(pixels) == scans


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "GIF", "BMP"])
def test_a_decoder_that_takes_too_long_is_stopped(image_format: str) -> None:
    whole = saved(Image.effect_noise((64, 64), 80).convert("RGB"), image_format, exif=oriented(6))
    with pytest.raises(ImageTooComplexError, match="the image takes more than 0 s to decode; send it smaller"):
        decode(whole, ImageLimits(max_cpu_seconds=0.0))


@pytest.mark.parametrize(("colour", "depth", "most"), [(2, 8, 24), (2, 16, 16), (6, 8, 24), (6, 16, 12), (0, 16, 24)])
def test_pixels_of_more_than_four_bytes_count_for_more(colour: int, depth: int, most: int) -> None:
    limits = ImageLimits(max_pixels=24)
    samples = {0: 1, 2: 3, 6: 4}[colour]
    row = bytes(1 + most * samples * depth // 8)
    assert decode(png(most, 1, depth, colour, row), limits).size == (most, 1)
    with pytest.raises(ImageTooLargeError, match=f"send at most {most} pixels"):
        decode(png(most + 1, 1, depth, colour, row), limits)


def test_scan_markers_after_the_image_or_in_its_metadata_do_not_count() -> None:
    """Phones append a film to a photograph; random bytes hold a marker every 65,536."""
    data = saved(Image.new("L", (8, 8)), "JPEG", comment=b"\xff\xda\0\2" * 200)
    assert decode(data + b"\xff\xda\0\2" * 200, LIMITS).size == (8, 8)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8" + b"\xff\xe0\0\2" * 200_000,
        b"\xff\xd8" + b"\xff" * 400_000,
        png(1, 1, 8, 0, b"\0\0", chunk(b"tEXt") * 50_000),
    ],
    ids=["JPEG segments", "JPEG fill bytes", "PNG chunks"],
)
def test_a_file_of_endless_structure_is_given_up(data: bytes) -> None:
    with pytest.raises(CorruptImageError, match="its structure takes more than 100,000 reads"):
        decode(data, LIMITS)


def test_a_gif_frame_far_outside_its_canvas_is_refused_without_a_warning() -> None:
    """In a process of its own, where no test runner turns warnings into errors."""
    gif = (
        b"GIF89a"
        + struct.pack("<HHBBB", 1, 1, 0, 0, 0)
        + b","
        + struct.pack("<HHHHB", 0, 0, 12000, 12000, 0)
        + b"\2\0;"
    )
    program = (
        "import sys\n"
        "from service.errors import FoveaError\n"
        "from service.images.decoding import ImageLimits, decode\n"
        "try: decode(sys.stdin.buffer.read(), ImageLimits())\n"
        "except FoveaError as error: print(error.code)\n"
    )
    command = [sys.executable, "-W", "always", "-c", program]
    done = subprocess.run(command, input=gif, capture_output=True, check=True)  # noqa: S603 our own program
    assert (done.stdout.strip(), done.stderr) == (b"image_corrupt", b"")


@given(st.sampled_from(FORMATS), st.integers(0, 2**32), st.integers(1, 6))
def test_a_damaged_file_gives_an_image_or_an_image_error(image_format: str, seed: int, damages: int) -> None:
    data = bytearray(saved(Image.linear_gradient("L").resize((16, 12)).convert("RGB"), image_format))
    places = np.random.default_rng(seed).integers(0, len(data), damages)
    for place in places:
        data[place] ^= 1 << (seed % 8)
    assert verdict(bytes(data)) in ("200", "415", "422")


def test_many_threads_decode_the_same_bytes_to_the_same_pixels() -> None:
    data = saved(Image.effect_noise((64, 64), 80).convert("RGBA"), exif=oriented(6))
    with ThreadPoolExecutor(8) as pool:
        images = list(pool.map(lambda _: decode(data, LIMITS).tobytes(), range(64)))
    assert len(set(images)) == 1


# --- the collection

# Where this decoder answers otherwise than the manifest's strict column, which was made with other limits.
TOO_LONG = "longer than 16,384 on a side; the column has no such limit"
SCAN_BOMB = "a scan bomb; the column does not count scans"
FAR_FRAME = "a GIF frame makes it too large; Pillow raises that before it would find no image"
EXCEPTIONS = {
    "go-fuzz-corpus/gif__all__corpus__70fa80f3387e23835e47b3fde3c0c101562618c0-2": TOO_LONG,
    "go-fuzz-corpus/gif__all__corpus__74e90e72ad6dee13a4088ce0baf42e737271793a-3": TOO_LONG,
    "go-fuzz-corpus/gif__all__corpus__b22bb36b62775b04b2450b62e7fcc5a2ece06689-3": TOO_LONG,
    "generated/ok_65500x1.jpg": TOO_LONG,
    "generated/bomb_scans_1000x1000_x5000.jpg": SCAN_BOMB,
    "generated/bomb_scans_4000x4000_x300.jpg": SCAN_BOMB,
    "go-fuzz-corpus/gif__all__corpus__0e17ee1b64e6def7a7ccbb39bad84c92eab82fca-1": FAR_FRAME,
    "go-fuzz-corpus/gif__all__corpus__1a14aa8a6d0904012282f8e76da20d713e5c512c-6": FAR_FRAME,
    "go-fuzz-corpus/gif__all__corpus__411afa58882cd6928aa57dbe0a0981b4e094ab6d-7": FAR_FRAME,
    "go-fuzz-corpus/gif__all__corpus__79d4822fb1cbae8e691353fd9914d35bd7d4568f-7": FAR_FRAME,
    "generated/bad_palette_missing.png": "a palette image without a palette; the column takes its indices for colours",
}


@pytest.mark.skipif(not HOSTILE.is_dir(), reason=f"the collection of hostile images is not at {HOSTILE} (FOVEA_DATA)")
# Pillow reads the resolution out of EXIF and says what is wrong with it; the service does not let that into its log.
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize(
    "purpose",
    [None, Preprocessing(height=28, width=28, color="gray"), Preprocessing(height=64, width=64, color="rgb")],
    ids=["decoded", "for a grey network", "for a network"],
)
def test_every_hostile_image_gets_the_verdict_of_its_manifest(purpose: Preprocessing | None) -> None:
    with (HOSTILE / "manifest.csv").open(newline="") as manifest:
        expected = {row["file"]: row["strict_status"] for row in csv.DictReader(manifest)}
    answers = {name: verdict((HOSTILE / name).read_bytes(), purpose) for name in expected}
    different = {name for name in answers if answers[name] != expected[name]}
    assert len(answers) > 1000
    assert different == EXCEPTIONS.keys() & expected.keys()
