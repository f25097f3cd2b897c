"""IDX files: what is read, and the one line that each broken file gets."""

import gzip
import os
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.datasets import load
from training.datasets.idx import TEST, TRAINING, read_idx
from training.errors import CorruptDataError, MissingDataError

DATA = Path(os.environ.get("FOVEA_DATA", Path(__file__).parents[4] / "shared" / "data"))
MNIST, FASHION_MNIST = DATA / "mnist", DATA / "fashion-mnist"


def idx(shape: tuple[int, ...], content: bytes, magic: int | None = None) -> bytes:
    return struct.pack(f">{1 + len(shape)}I", 0x0800 | len(shape) if magic is None else magic, *shape) + content


def written(folder: Path, name: str, content: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_bytes(gzip.compress(content))
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole data set of two training images and one test image of 2x3 pixels."""
    for (images, labels), count in ((TRAINING, 2), (TEST, 1)):
        written(tmp_path, images, idx((count, 2, 3), bytes(range(count * 6))))
        written(tmp_path, labels, idx((count,), bytes(range(count))))
    return tmp_path


def test_the_four_files_become_images_with_one_channel(folder: Path) -> None:
    mnist = load("mnist", folder, (28, 28, 1))
    assert mnist.training.images.shape == (2, 2, 3, 1)
    assert mnist.training.images[1, :, :, 0].tolist() == [[6, 7, 8], [9, 10, 11]]
    assert mnist.training.labels.tolist() == [0, 1]
    assert len(mnist.test) == 1


def test_missing_files_are_named_with_the_folder_they_belong_in(folder: Path) -> None:
    (folder / TEST[1]).unlink()
    with pytest.raises(MissingDataError) as caught:
        load("mnist", folder, (28, 28, 1))
    assert str(caught.value) == (
        f"{folder} lacks t10k-labels-idx1-ubyte.gz; put these files there or give another folder: --data, "
        "or fetch them: --download"
    )


def test_a_missing_folder_lists_all_four_files(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError) as caught:
        load("mnist", tmp_path / "nowhere", (28, 28, 1))
    assert all(name in str(caught.value) for name in (*TRAINING, *TEST))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "0 bytes unpacked, the header alone has 16"),
        (idx((1, 2, 3), bytes(6), magic=0x0801), "magic 0x00000801, an IDX file of 3 axes has 0x00000803"),
        (idx((1, 2, 3), bytes(5)), "states [1, 2, 3] = 6 bytes and holds 5"),
        (idx((1, 2, 3), bytes(7)), "states [1, 2, 3] = 6 bytes and holds 7"),
        (idx((2**32 - 1, 2**32 - 1, 2**32 - 1), b""), "and holds 0"),
        (idx((0, 28, 28), b""), "nothing inside"),
    ],
)
def test_a_file_that_is_not_what_its_header_says_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    file = written(tmp_path, "images.gz", content)
    with pytest.raises(CorruptDataError) as caught:
        read_idx(file, axes=3)
    assert str(file) in str(caught.value)
    assert reason in str(caught.value)


def test_a_download_that_stopped_halfway_is_named(folder: Path) -> None:
    file = folder / TRAINING[0]
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(CorruptDataError, match="cannot be unpacked") as caught:
        load("mnist", folder, (28, 28, 1))
    assert str(file) in str(caught.value)


def test_a_web_page_saved_under_the_name_is_refused(folder: Path) -> None:
    (folder / TRAINING[0]).write_bytes(b"<html>404</html>")
    with pytest.raises(CorruptDataError, match="Not a gzipped file"):
        load("mnist", folder, (28, 28, 1))


def test_more_labels_than_images_are_refused(folder: Path) -> None:
    written(folder, TRAINING[1], idx((3,), bytes(3)))
    with pytest.raises(CorruptDataError, match="3 labels for the 2 images"):
        load("mnist", folder, (28, 28, 1))


def test_a_label_outside_the_classes_is_refused(folder: Path) -> None:
    written(folder, TRAINING[1], idx((2,), bytes([0, 10])))
    with pytest.raises(CorruptDataError, match="label 10, the classes are"):
        load("mnist", folder, (28, 28, 1))


def test_fashion_mnist_is_read_from_files_of_the_same_names_with_its_own_classes(folder: Path) -> None:
    clothes = load("fashion_mnist", folder, (28, 28, 1))
    assert [clothes.class_names[label] for label in clothes.training.labels] == ["T-shirt/top", "Trouser"]
    assert clothes.class_names[2:] == (
        *("Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    )
    assert clothes.description == "Fashion-MNIST test set"


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=40), st.integers(1, 3))
def test_no_bytes_raise_anything_unexpected(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, axes: int
) -> None:
    file = written(tmp_path_factory.mktemp("idx"), "any.gz", content)
    try:
        assert read_idx(file, axes).dtype == torch.uint8
    except CorruptDataError as error:
        assert str(file) in str(error)  # noqa: PT017 - both ends are fine, anything else fails the test


@pytest.mark.skipif(not MNIST.is_dir(), reason="MNIST is not in FOVEA_DATA")
def test_the_real_mnist_has_60000_and_10000_images() -> None:
    mnist = load("mnist", MNIST, (28, 28, 1))
    assert mnist.training.images.shape == (60_000, 28, 28, 1)
    assert mnist.test.images.shape == (10_000, 28, 28, 1)
    assert mnist.training.labels[:5].tolist() == [5, 0, 4, 1, 9]


@pytest.mark.skipif(not FASHION_MNIST.is_dir(), reason="Fashion-MNIST is not in FOVEA_DATA")
def test_the_real_fashion_mnist_has_as_many_images_of_each_class() -> None:
    clothes = load("fashion_mnist", FASHION_MNIST, (28, 28, 1))
    assert torch.bincount(clothes.training.labels).tolist() == [6000] * 10
    assert torch.bincount(clothes.test.labels).tolist() == [1000] * 10
