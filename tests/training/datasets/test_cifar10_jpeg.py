"""CIFAR-10's archive of JPEG files: what is read, and the one line that each broken archive gets."""

import io
import os
import tarfile
from pathlib import Path

import pytest
import torch
from PIL import Image

from training.datasets import load
from training.datasets.cifar10_binary import CLASSES
from training.datasets.cifar10_jpeg import ARCHIVE, MAX_IMAGE_BYTES
from training.errors import CorruptDataError, MissingDataError

CIFAR10 = Path(os.environ.get("FOVEA_DATA", Path(__file__).parents[4] / "shared" / "data")) / "cifar10-jpeg"
SHAPE = (32, 32, 3)
SMALL = {"train/frog/2.jpg": "green", "train/airplane/1.jpg": "blue", "test/truck/1.jpg": "red"}


def jpeg(colour: str, size: tuple[int, int] = (32, 32)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "JPEG")
    return file.getvalue()


def archived(folder: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(folder / ARCHIVE, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return folder


def small(folder: Path, **more: bytes) -> Path:
    """Two training images and one test image, and what else is given."""
    return archived(folder, {name: jpeg(colour) for name, colour in SMALL.items()} | more)


def test_the_images_come_in_the_order_of_their_paths_with_the_class_of_their_folder(tmp_path: Path) -> None:
    cifar10 = load("cifar10_jpeg", small(tmp_path), SHAPE)
    assert [cifar10.class_names[label] for label in cifar10.training.labels] == ["airplane", "frog"]
    assert cifar10.training.images.shape == (2, 32, 32, 3)
    assert [int(image.float().mean((0, 1)).argmax()) for image in cifar10.training.images] == [2, 1]  # blue, green
    assert (cifar10.test.labels.tolist(), cifar10.class_names) == ([9], CLASSES)


def test_a_grey_jpeg_has_three_equal_channels(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.new("L", (32, 32), 77).save(file, "JPEG")
    images = load("cifar10_jpeg", small(tmp_path, **{"test/bird/1.jpg": file.getvalue()}), SHAPE).test.images
    assert set(images[0].flatten().tolist()) == {77}


def test_what_is_no_image_of_a_part_is_left_alone(tmp_path: Path) -> None:
    others = {"README": b"words", "validation/frog/1.jpg": b"no JPEG", "train/frog/notes.txt": b"words"}
    assert len(load("cifar10_jpeg", small(tmp_path, **others), SHAPE).training) == 2


def test_a_missing_archive_is_named_with_the_folder_it_belongs_in(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=rf"{tmp_path} lacks {ARCHIVE}; put these files there"):
        load("cifar10_jpeg", tmp_path, SHAPE)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("train/frog/3.jpg", b"words", r"train/frog/3\.jpg: "),
        ("train/frog/3.jpg", jpeg("red")[:400], r"train/frog/3\.jpg: "),
        ("train/frog/3.jpg", b"", r"train/frog/3\.jpg: "),
        ("test/frog/3.jpg", jpeg("red", (32, 31)), r"test/frog/3\.jpg is 32x31, not 32x32"),
        ("train/unicorn/3.jpg", jpeg("red"), r"train/unicorn/3\.jpg is of no known class; the classes are airplane, "),
        ("train/frog/3.jpg", bytes(MAX_IMAGE_BYTES + 1), r"train/frog/3\.jpg has 1,048,577 bytes, an image at most"),
    ],
)
def test_a_file_that_does_not_fit_is_named(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    with pytest.raises(CorruptDataError, match=reason):
        load("cifar10_jpeg", small(tmp_path, **{name: content}), SHAPE)


def test_an_archive_without_a_test_part_says_so(tmp_path: Path) -> None:
    with pytest.raises(CorruptDataError, match=r"holds no test/<class>/\*\.jpg"):
        load("cifar10_jpeg", archived(tmp_path, {"train/frog/1.jpg": jpeg("green")}), SHAPE)


@pytest.mark.parametrize("share", [0, 0.02, 0.5])
def test_a_cut_archive_cannot_be_unpacked(tmp_path: Path, share: float) -> None:
    archive = small(tmp_path) / ARCHIVE
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(CorruptDataError, match=f"{ARCHIVE}: cannot be unpacked"):
        load("cifar10_jpeg", tmp_path, SHAPE)


@pytest.mark.skipif(not CIFAR10.is_dir(), reason=f"needs {CIFAR10} (FOVEA_DATA names the folder above)")
def test_the_real_archive_has_as_many_images_of_each_class() -> None:
    cifar10 = load("cifar10_jpeg", CIFAR10, SHAPE)
    assert torch.bincount(cifar10.training.labels).tolist() == [5000] * 10
    assert torch.bincount(cifar10.test.labels).tolist() == [1000] * 10
