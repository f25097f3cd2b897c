"""Files to pixels: any form of picture, the same pixels as in the service, and what cannot be read by name."""

import csv
import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from service.images.decoding import ImageLimits
from service.images.network_input import picture
from service.images.preprocessing import Preprocessing
from tests.training.datasets.written import image_bytes, write, write_class
from training.datasets import load
from training.datasets.folder import listed
from training.datasets.listing import read
from training.datasets.pictures import ENDINGS, LIMITS, Picture, decoded, pixels
from training.errors import InvalidDataError, UnfitLabelsError, UnreadableImagesError

DATA = Path(os.environ.get("FOVEA_DATA", Path(__file__).parents[4] / "shared" / "data"))
ANTS_BEES, HOSTILE = DATA / "ants-bees", DATA / "hostile-images"
COLOUR = Preprocessing(height=8, width=8, color="rgb", resize="crop", dtype="uint8")

FORMS = [
    *(("PNG", mode) for mode in ("RGB", "RGBA", "L", "LA", "P", "1")),
    *(("JPEG", mode) for mode in ("RGB", "L", "CMYK")),
    *(("GIF", mode) for mode in ("P", "L")),
    *(("TIFF", mode) for mode in ("RGB", "RGBA", "L", "P", "CMYK", "LAB", "YCbCr")),
    *((kind, "RGB") for kind in ("BMP", "WEBP", "AVIF", "JPEG2000", "PPM", "TGA", "ICO", "PCX", "QOI")),
]


@pytest.mark.parametrize(("kind", "mode"), FORMS)
def test_every_form_of_a_white_picture_is_white(kind: str, mode: str) -> None:
    assert pixels(image_bytes("white", kind, mode, (16, 16)), COLOUR).min() >= 253


@pytest.mark.parametrize(("kind", "mode"), [form for form in FORMS if form[1] in ("RGB", "P", "CMYK")])
def test_every_form_of_a_blue_picture_is_blue(kind: str, mode: str) -> None:
    red, green, blue = pixels(image_bytes("blue", kind, mode, (16, 16)), COLOUR).mean((0, 1))
    assert red < 5
    assert green < 5
    assert blue > 250


def test_sixteen_bits_become_eight_whatever_the_format() -> None:
    grey = Image.fromarray(np.full((8, 8), 257 * 100, np.uint16))
    for kind in ("PNG", "TIFF", "PPM"):
        file = io.BytesIO()
        grey.save(file, kind)
        assert set(pixels(file.getvalue(), COLOUR).flatten().tolist()) == {100}


def test_a_tiff_is_turned_upright_as_its_orientation_says() -> None:
    image = Image.new("RGB", (16, 8), "white")
    image.paste("black", (0, 0, 8, 8))  # the left half; turned by a quarter clockwise it is on top
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(file, "TIFF", exif=exif)
    upright = pixels(file.getvalue(), Preprocessing(height=16, width=8, color="rgb", resize="crop", dtype="uint8"))
    assert (int(upright[:7].max()), int(upright[9:].min())) == (0, 255)


def test_the_middle_is_cut_out_and_nothing_is_squeezed() -> None:
    image = Image.new("RGB", (40, 20), "red")
    image.paste("blue", (10, 0, 30, 20))
    file = io.BytesIO()
    image.save(file, "PNG")
    assert set(map(tuple, pixels(file.getvalue(), COLOUR)[:, 1:-1].reshape(-1, 3).tolist())) == {(0, 0, 255)}


def test_thirty_two_bits_are_refused_since_nobody_says_what_is_white(tmp_path: Path) -> None:
    file = tmp_path / "deep.tiff"
    Image.fromarray(np.full((8, 8), 70_000, np.int32)).save(file)
    reasons = decoded([Picture(file, 0)], COLOUR, torch.zeros((1, 8, 8, 3), dtype=torch.uint8))
    assert reasons == {0: "the TIFF image cannot be decoded: '32-bit pixels have no known range'"}


@pytest.mark.parametrize("color", ["rgb", "gray"])
def test_the_network_is_trained_on_the_very_pixels_that_the_service_gives_it(tmp_path: Path, color: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (301, 403, 3), np.uint8))
    for place in ("a/0.jpg", "a/1.jpg", "a/2.jpg", "b/0.jpg", "b/1.jpg", "b/2.jpg"):
        file = io.BytesIO()
        noise.save(file, "JPEG")
        write(tmp_path / place, file.getvalue())
    found = load("folder", tmp_path, (24, 20, 3 if color == "rgb" else 1))
    served = picture((tmp_path / "a" / "0.jpg").read_bytes(), ImageLimits(), found.preprocessing)
    assert (found.training.images[0].numpy() == served).all()
    assert found.preprocessing == Preprocessing(
        height=24, width=20, color="rgb" if color == "rgb" else "gray", resize="crop", dtype="uint8"
    )


BROKEN = {
    "cut.jpg": image_bytes("red", "JPEG", size=(64, 64))[:300],
    "empty.png": b"",
    "text.jpg": b"this is no picture",
    "half.tif": image_bytes("red", "TIFF", size=(64, 64))[:500],
    "float.tiff": image_bytes("red", "TIFF", "F"),
}


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """Eight whole pictures of two classes, one of them a GIF called .jpg, and five broken ones in the first."""
    for name in ("cat", "dog"):
        write_class(tmp_path / name, 3)
        write(tmp_path / name / "gif.jpg", image_bytes("red", "GIF"))
    for name, content in BROKEN.items():
        write(tmp_path / "cat" / name, content)
    return tmp_path


def test_unreadable_pictures_stop_with_the_first_and_the_count_and_how_to_go_on(damaged: Path) -> None:
    with pytest.raises(UnreadableImagesError) as caught:
        load("folder", damaged, (8, 8, 3))
    assert str(caught.value).startswith("5 of 13 images cannot be read, the first: cat/cut.jpg: the JPEG image cannot")
    assert str(caught.value).endswith("; repair or remove them, or leave them out: --skip-unreadable")
    assert "\n" not in str(caught.value)
    assert len(caught.value.unreadable) == 5


def test_skipped_pictures_are_listed_with_the_reason(damaged: Path) -> None:
    found = load("folder", damaged, (8, 8, 3), skip_unreadable=True)
    reasons = dict(sentence.split(": ", 1) for sentence in found.skipped)
    assert set(reasons) == {f"cat/{name}" for name in BROKEN}
    assert reasons["cat/empty.png"] == "the image has 0 bytes"
    assert reasons["cat/text.jpg"] == "the bytes are text, not a supported image"
    assert reasons["cat/half.tif"].startswith("the TIFF image cannot be decoded: ")
    assert "floating-point pixels have no known range" in reasons["cat/float.tiff"]
    assert (len(found.training) + len(found.test), len(found.training.images)) == (8, len(found.training.labels))
    assert {tuple(image[4, 4].tolist()) for image in found.training.images} == {(255, 0, 0)}


def test_what_is_skipped_moves_no_other_picture_between_the_parts(damaged: Path) -> None:
    before = {picture.path.name for picture in listed(damaged).test}
    write(damaged / "dog" / "0.png", b"")
    assert {picture.path.name for picture in listed(damaged).test} == before


def test_a_class_with_no_readable_picture_left_is_named(tmp_path: Path) -> None:
    for part in ("train", "val"):
        write_class(tmp_path / part / "cat", 2)
        write(tmp_path / part / "dog" / "1.png", b"words")
    with pytest.raises(UnfitLabelsError, match="class 'dog' has no image to train on"):
        load("folder", tmp_path, (8, 8, 3), skip_unreadable=True)


def test_a_test_part_with_no_readable_picture_left_is_an_error(tmp_path: Path) -> None:
    write_class(tmp_path / "train" / "cat", 2)
    write_class(tmp_path / "train" / "dog", 2)
    write(tmp_path / "val" / "dog" / "1.png", b"words")
    with pytest.raises(InvalidDataError, match="has no readable image in its test part; add some"):
        load("folder", tmp_path, (8, 8, 3), skip_unreadable=True)


def test_a_link_to_nothing_is_a_picture_that_cannot_be_read(damaged: Path) -> None:
    (damaged / "dog" / "link.png").symlink_to(damaged / "nowhere.png")
    found = load("folder", damaged, (8, 8, 3), skip_unreadable=True)
    assert "dog/link.png: No such file or directory" in found.skipped


def test_pixels_beyond_the_limit_lie_in_a_file_and_are_the_same(damaged: Path) -> None:
    listing = listed(damaged)
    in_memory = read(listing, (8, 8, 3), skip_unreadable=True, memory_bytes=13 * 8 * 8 * 3)
    in_file = read(listing, (8, 8, 3), skip_unreadable=True, memory_bytes=13 * 8 * 8 * 3 - 1)
    assert in_file.training.images.equal(in_memory.training.images)
    assert in_memory.notes == ()
    assert in_file.notes == (
        "2,496 bytes of pixels are too many for the free memory: they are read from a temporary file",
    )


def test_photographs_of_today_are_not_too_large_and_a_bomb_is(tmp_path: Path) -> None:
    assert LIMITS.max_pixels >= 64_000_000
    small = image_bytes("red", "GIF")
    gif = small[:6] + (20_000).to_bytes(2, "little") * 2 + small[10:]
    for name, content in (("a.gif", gif), ("b.pgm", b"P5 20000 20000 255\n"), ("c.pgm", b"P5 70000 10 255\n")):
        write(tmp_path / name, content)
    images = torch.zeros((3, 8, 8, 3), dtype=torch.uint8)
    reasons = decoded([Picture(path, 0) for path in sorted(tmp_path.iterdir())], COLOUR, images)
    assert (reasons[0], reasons[2]) == ("20000x20000 = 400,000,000 pixels", "70000x10 = 700,000 pixels")
    assert "Image size (400000000 pixels) exceeds limit" in reasons[1]


def test_no_format_that_runs_another_program_is_opened() -> None:
    assert {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"} <= ENDINGS
    assert not ENDINGS & {".eps", ".ps", ".wmf", ".emf", ".pdf", ".mpg", ".h5"}


@pytest.mark.skipif(not HOSTILE.is_dir(), reason=f"needs {HOSTILE} (FOVEA_DATA names the folder above)")
def test_hostile_files_are_read_or_get_a_sentence() -> None:
    with (HOSTILE / "manifest.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if float(row["seconds"] or 0) < 0.02][::8]
    images = torch.zeros((len(rows), 8, 8, 3), dtype=torch.uint8)
    reasons = decoded([Picture(HOSTILE / row["file"], 0) for row in rows], COLOUR, images)
    refused = [number for number, row in enumerate(rows) if row["strict_status"] == "422"]
    served = [number for number, row in enumerate(rows) if row["strict_status"] == "200"]
    assert len(refused) > 20
    assert len(served) > 50
    assert not set(refused) - set(reasons)
    assert not set(served) & set(reasons)


@pytest.mark.skipif(not ANTS_BEES.is_dir(), reason=f"needs {ANTS_BEES} (FOVEA_DATA names the folder above)")
def test_the_stray_gif_among_the_real_ants_is_a_picture() -> None:
    stray = next(path for path in ANTS_BEES.rglob("*.gif"))
    assert int(pixels(stray.read_bytes(), COLOUR).std()) > 5
