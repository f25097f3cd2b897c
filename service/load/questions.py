"""The classify requests that are sent: pictures of one's own, or noise of the size that the network takes."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from service.load.address import Address
from service.load.errors import CannotMeasureError

_BOUNDARY = "fovea-load"
_NOISES = 16  # so many different pictures: one alone would always be in the processor's cache


def read(files: Sequence[Path]) -> list[bytes]:
    """Raises CannotMeasureError for the first that cannot be read."""
    try:
        return [file.read_bytes() for file in files]
    except OSError as error:
        raise CannotMeasureError(f"{error.filename} cannot be read: {error.strerror}", "name picture files") from error


def noise(height: int, width: int, *, grey: bool) -> list[bytes]:
    """PNG files, the same in every run."""
    random = np.random.default_rng(0)
    shape = (height, width) if grey else (height, width, 3)
    return [_png(random.integers(0, 256, shape, np.uint8)) for _ in range(_NOISES)]


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def questions(address: Address, path: str, pictures: Sequence[bytes], batch: int) -> list[bytes]:
    """One request for each picture, which is its first of `batch`; those after it follow, from the front again."""
    count, kind = len(pictures), f"multipart/form-data; boundary={_BOUNDARY}"
    bodies = (_multipart([pictures[(first + more) % count] for more in range(batch)]) for first in range(count))
    return [address.request("POST", f"{path}/classify", body, kind) for body in bodies]


def _multipart(pictures: Sequence[bytes]) -> bytes:
    head = 'Content-Disposition: form-data; name="file"; filename="{}"\r\nContent-Type: application/octet-stream'
    parts = [
        f"--{_BOUNDARY}\r\n{head.format(number)}\r\n\r\n".encode() + picture + b"\r\n"
        for number, picture in enumerate(pictures)
    ]
    return b"".join([*parts, f"--{_BOUNDARY}--\r\n".encode()])
