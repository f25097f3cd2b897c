"""CIFAR-10 in its own binary format: records of a label and 3,072 pixels, in files or in the archive of them.

Source: Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images; the format:
https://www.cs.toronto.edu/~kriz/cifar.html. The form made of Python pickles is not read: those can run anything.
"""

import tarfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import torch

from training.datasets.dataset import Dataset, Examples, stretched
from training.errors import CorruptDataError, MissingDataError

ARCHIVE = "cifar-10-binary.tar.gz"
TRAINING = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST = ("test_batch.bin",)
FOLDER_IN_ARCHIVE = "cifar-10-batches-bin"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SIDE = 32
RECORD = 1 + 3 * SIDE * SIDE  # a label, then all red pixels, all green, all blue, row by row
MAX_BYTES = 1 << 28  # the real files have 30,730,000 each


def cifar10_binary(folder: Path) -> Dataset:
    """50,000 training and 10,000 test images of 32x32 in colour, in the order of the files.

    Unpacked files count before the archive; they may lie in the folder that the archive makes.
    """
    files = _unpacked(folder) or _packed(folder / ARCHIVE)
    training, test = (_examples(files, names) for names in (TRAINING, TEST))
    return Dataset(CLASSES, training, test, "CIFAR-10 test set", stretched(SIDE, SIDE, 3))


def has_binary(folder: Path) -> bool:
    """Whether there is anything of this format to read, whole or not."""
    places = (folder, folder / FOLDER_IN_ARCHIVE)
    return (folder / ARCHIVE).is_file() or any((place / name).is_file() for place in places for name in TRAINING + TEST)


def _unpacked(folder: Path) -> dict[str, tuple[Path, bytes]]:
    """The contents of the six files by name, {} where none of them is there; raises where only some are."""
    for place in (folder, folder / FOLDER_IN_ARCHIVE):
        missing = [name for name in TRAINING + TEST if not (place / name).is_file()]
        if not missing:
            return {name: (place / name, _limited(place / name)) for name in TRAINING + TEST}
        if len(missing) < len(TRAINING + TEST) and not (folder / ARCHIVE).is_file():
            raise MissingDataError(missing, place, download=True)
    return {}


def _limited(file: Path) -> bytes:
    _check_size(file, file.name, file.stat().st_size)
    return file.read_bytes()


def _packed(archive: Path) -> dict[str, tuple[Path, bytes]]:
    if not archive.is_file():
        raise MissingDataError([ARCHIVE], archive.parent, download=True)
    files = {name: (archive, content) for name, content in _members(archive)}
    missing = [name for name in TRAINING + TEST if name not in files]
    if missing:
        raise CorruptDataError(archive, f"holds no {', '.join(missing)}")
    return files


def _members(archive: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(archive) as opened:
            for member in opened:
                name = PurePosixPath(member.name).name
                stream = opened.extractfile(member) if member.isfile() and name in TRAINING + TEST else None
                if stream is not None:
                    _check_size(archive, name, member.size)
                    yield name, stream.read()
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise CorruptDataError(archive, f"cannot be unpacked ({error})") from error


def _check_size(file: Path, name: str, size: int) -> None:
    if not size or size % RECORD:
        raise CorruptDataError(file, f"{name} has {size:,} bytes, which is no number of records of {RECORD:,} bytes")
    if size > MAX_BYTES:
        raise CorruptDataError(file, f"{name} has {size:,} bytes, more than {MAX_BYTES:,}")


def _examples(files: dict[str, tuple[Path, bytes]], names: Sequence[str]) -> Examples:
    records = torch.cat([_records(*files[name], name) for name in names])
    images = records[:, 1:].reshape(-1, 3, SIDE, SIDE).permute(0, 2, 3, 1).contiguous()
    return Examples(images, records[:, 0].long())


def _records(file: Path, content: bytes, name: str) -> torch.Tensor:
    records = torch.frombuffer(bytearray(content), dtype=torch.uint8).reshape(-1, RECORD)
    if records[:, 0].max() >= len(CLASSES):
        raise CorruptDataError(file, f"{name} has label {int(records[:, 0].max())}, the classes are 0..9")
    return records
