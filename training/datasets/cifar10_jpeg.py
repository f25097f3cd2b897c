"""CIFAR-10 as JPEG files in one archive, `train/<class>/*.jpg` and `test/<class>/*.jpg`.

The images: Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images. They are decoded as the service
decodes what it is sent.
"""

import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from service.errors import FoveaError
from service.images.decoding import ImageLimits, decode
from training.datasets.cifar10_binary import CLASSES, SIDE
from training.datasets.dataset import Dataset, Examples, stretched
from training.errors import CorruptDataError, MissingDataError

ARCHIVE = "cifar10-jpeg.tar.gz"
MAX_IMAGE_BYTES = 1 << 20  # these images have about 1 kB
_PLACE = re.compile(r"(?:\./)?(train|test)/([^/]+)/[^/]+\.jpg")


def cifar10_jpeg(folder: Path) -> Dataset:
    """50,000 training and 10,000 test images of 32x32 in colour, in the order of their paths. Takes about 12 s.

    Two threads are no faster: for images this small, most of the work is Python's.
    """
    archive = folder / ARCHIVE
    if not archive.is_file():
        raise MissingDataError([ARCHIVE], folder)
    files = dict(_files(archive))
    training, test = (_examples(archive, files, part) for part in ("train", "test"))
    return Dataset(CLASSES, training, test, "CIFAR-10 test set as JPEG", stretched(SIDE, SIDE, 3))


def _files(archive: Path) -> Iterator[tuple[str, bytes]]:
    """The path and the bytes of every image; whatever else is in the archive is left alone."""
    try:
        with tarfile.open(archive) as opened:
            for member in opened:
                if member.isfile() and _PLACE.fullmatch(member.name):
                    yield member.name.removeprefix("./"), _content(archive, opened, member)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise CorruptDataError(archive, f"cannot be unpacked ({error})") from error


def _content(archive: Path, opened: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    if member.size > MAX_IMAGE_BYTES:
        raise CorruptDataError(
            archive, f"{member.name} has {member.size:,} bytes, an image at most {MAX_IMAGE_BYTES:,}"
        )
    stream = opened.extractfile(member)
    return stream.read() if stream else b""


def _examples(archive: Path, files: dict[str, bytes], part: str) -> Examples:
    paths = sorted(path for path in files if path.startswith(f"{part}/"))
    if not paths:
        raise CorruptDataError(archive, f"holds no {part}/<class>/*.jpg")
    labels = [_label(archive, path) for path in paths]
    pixels = np.stack([_pixels(archive, path, files[path]) for path in paths])
    return Examples(torch.from_numpy(pixels), torch.tensor(labels))


def _label(archive: Path, path: str) -> int:
    name = path.split("/")[1]
    if name not in CLASSES:
        raise CorruptDataError(archive, f"{path} is of no known class; the classes are {', '.join(CLASSES)}")
    return CLASSES.index(name)


def _pixels(archive: Path, path: str, content: bytes) -> np.ndarray:
    try:
        image = decode(content, ImageLimits())
    except FoveaError as error:
        raise CorruptDataError(archive, f"{path}: {error.detail}") from error
    if image.size != (SIDE, SIDE):
        raise CorruptDataError(archive, f"{path} is {image.width}x{image.height}, not {SIDE}x{SIDE}")
    return np.asarray(image.convert("RGB"))
