"""MNIST-like data sets: four gzipped IDX files, checked before a byte of them is believed.

The format: yann.lecun.com/exdb/mnist: big-endian int32 magic, one int32 per axis, then unsigned bytes.
"""

import gzip
import math
import struct
import zlib
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor

from training.datasets.dataset import Dataset, Examples, stretched
from training.errors import CorruptDataError, MissingDataError

TRAINING = ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz")
TEST = ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")
CLOTHES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
UNSIGNED_BYTE = 0x08
MAX_BYTES = 1 << 30  # MNIST's largest file unpacks to 47 MB; a gzip bomb stops here


def mnist(folder: Path) -> Dataset:
    """The 60,000 training and 10,000 test digits of 28x28, white on black; the four files lie in `folder`."""
    return _dataset(folder, tuple("0123456789"), "MNIST test set")


def fashion_mnist(folder: Path) -> Dataset:
    """As `mnist`, of clothes: Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747. The files have the names of MNIST's."""
    return _dataset(folder, CLOTHES, "Fashion-MNIST test set")


def _dataset(folder: Path, class_names: tuple[str, ...], description: str) -> Dataset:
    missing = [name for name in (*TRAINING, *TEST) if not (folder / name).is_file()]
    if missing:
        raise MissingDataError(missing, folder, download=True)
    training, test = (_examples(folder / images, folder / labels) for images, labels in (TRAINING, TEST))
    return Dataset(class_names, training, test, description, stretched(*training.images.shape[1:]))


def read_idx(file: Path, axes: int) -> UInt8[Tensor, "..."]:
    """The unsigned bytes of one gzipped IDX file with that many axes; raises CorruptDataError naming the file."""
    content = _unpacked(file)
    header = 4 * (1 + axes)
    if len(content) < header:
        raise CorruptDataError(file, f"{len(content)} bytes unpacked, the header alone has {header}")
    magic, *shape = struct.unpack_from(f">{1 + axes}I", content)
    if magic != (UNSIGNED_BYTE << 8 | axes):
        raise CorruptDataError(
            file, f"magic {magic:#010x}, an IDX file of {axes} axes has {UNSIGNED_BYTE << 8 | axes:#010x}"
        )
    if len(content) - header != math.prod(shape):
        raise CorruptDataError(file, f"states {shape} = {math.prod(shape):,} bytes and holds {len(content) - header:,}")
    if not math.prod(shape):
        raise CorruptDataError(file, f"states {shape}: nothing inside")
    return torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=header).reshape(shape)


def _unpacked(file: Path) -> bytes:
    try:
        with gzip.open(file) as stream:
            content = stream.read(MAX_BYTES + 1)
    except (EOFError, zlib.error, OSError) as error:
        raise CorruptDataError(file, f"cannot be unpacked ({error})") from error
    if len(content) > MAX_BYTES:
        raise CorruptDataError(file, f"unpacks to more than {MAX_BYTES:,} bytes")
    return content


def _examples(images_file: Path, labels_file: Path) -> Examples:
    images, labels = read_idx(images_file, axes=3), read_idx(labels_file, axes=1)
    if len(images) != len(labels):
        raise CorruptDataError(
            labels_file, f"{len(labels):,} labels for the {len(images):,} images of {images_file.name}"
        )
    if labels.max() > 9:
        raise CorruptDataError(labels_file, f"label {int(labels.max())}, the classes are 0..9")
    return Examples(images[..., None].contiguous(), labels.long())
