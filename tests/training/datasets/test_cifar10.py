"""CIFAR-10 in its own format: which files are read, how a record becomes an image, what a broken file gets."""

import io
import tarfile
from pathlib import Path

import pytest

from tests.training.datasets.test_cifar10_jpeg import small
from training.datasets import Dataset, load
from training.datasets.cifar10_binary import ARCHIVE, FOLDER_IN_ARCHIVE, RECORD, TEST, TRAINING
from training.errors import CorruptDataError, MissingDataError


def record(label: int, red: int) -> bytes:
    """Red as given, the first pixel of the second row black; green 10, blue 20."""
    plane = bytearray([red] * 1024)
    plane[32] = 0
    return bytes([label]) + bytes(plane) + bytes([10] * 1024) + bytes([20] * 1024)


def files() -> dict[str, bytes]:
    """Two images in each file: of class 0 and 1 in the first, 2 and 3 in the second ..."""
    names = (*TRAINING, *TEST)
    return {name: record(2 * n % 10, 100 + n) + record((2 * n + 1) % 10, 100 + n) for n, name in enumerate(names)}


def unpacked(folder: Path, contents: dict[str, bytes]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


def packed(folder: Path, contents: dict[str, bytes]) -> Path:
    with tarfile.open(folder / ARCHIVE, "w:gz") as archive:
        for name, content in (contents | {"readme.html": b"words"}).items():
            member = tarfile.TarInfo(f"{FOLDER_IN_ARCHIVE}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return folder


def cifar10(folder: Path) -> Dataset:
    return load("cifar10", folder, (32, 32, 3))


def test_a_record_is_a_label_and_three_planes(tmp_path: Path) -> None:
    found = cifar10(unpacked(tmp_path, files()))
    assert found.training.labels.tolist() == [*range(10)]
    assert found.training.images.shape == (10, 32, 32, 3)
    assert found.training.images[2, 0, 0].tolist() == [101, 10, 20]
    assert found.training.images[2, 1, 0].tolist() == [0, 10, 20]
    assert (found.test.labels.tolist(), found.description) == ([0, 1], "CIFAR-10 test set")


def test_the_archive_and_its_unpacked_folder_give_the_same(tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    from_archive = cifar10(packed(tmp_path / "archive", files()))
    (tmp_path / "unpacked").mkdir()
    unpacked(tmp_path / "unpacked" / FOLDER_IN_ARCHIVE, files())
    from_files = cifar10(tmp_path / "unpacked")
    assert from_archive.training.images.equal(from_files.training.images)
    assert from_archive.test.labels.equal(from_files.test.labels)


def test_the_exact_format_comes_before_jpeg(tmp_path: Path) -> None:
    assert cifar10(small(tmp_path)).description == "CIFAR-10 test set as JPEG"
    unpacked(tmp_path, files())
    assert cifar10(tmp_path).description == "CIFAR-10 test set"


def test_an_empty_folder_gets_a_line_that_names_both_forms(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError) as caught:
        cifar10(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path} lacks cifar-10-binary.tar.gz (or cifar10-jpeg.tar.gz); "
        "put these files there or give another folder: --data, or fetch them: --download"
    )


def test_the_files_that_lack_among_unpacked_ones_are_named(tmp_path: Path) -> None:
    unpacked(tmp_path, {name: content for name, content in files().items() if name != "data_batch_3.bin"})
    with pytest.raises(MissingDataError, match=rf"{tmp_path} lacks data_batch_3\.bin; "):
        cifar10(tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "test_batch.bin has 0 bytes, which is no number of records of 3,073 bytes"),
        (bytes(RECORD + 1), "test_batch.bin has 3,074 bytes, which is no number of records"),
        (bytes([10]) + bytes(RECORD - 1), "test_batch.bin has label 10, the classes are 0..9"),
    ],
)
@pytest.mark.parametrize("form", [unpacked, packed])
def test_a_broken_file_is_named(tmp_path: Path, content: bytes, reason: str, form: object) -> None:
    assert callable(form)
    form(tmp_path, files() | {"test_batch.bin": content})
    with pytest.raises(CorruptDataError) as caught:
        cifar10(tmp_path)
    assert reason in str(caught.value)


def test_an_archive_without_one_of_the_files_says_which(tmp_path: Path) -> None:
    packed(tmp_path, {name: content for name, content in files().items() if name != "test_batch.bin"})
    with pytest.raises(CorruptDataError, match=rf"{ARCHIVE}: holds no test_batch\.bin"):
        cifar10(tmp_path)


@pytest.mark.parametrize("share", [0, 0.1, 0.9])
def test_a_cut_archive_cannot_be_unpacked(tmp_path: Path, share: float) -> None:
    archive = packed(tmp_path, files()) / ARCHIVE
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(CorruptDataError, match=f"{ARCHIVE}: cannot be unpacked"):
        cifar10(tmp_path)
