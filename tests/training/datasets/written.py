"""Picture files for the tests of data sets: small ones of one colour, in every form, and broken ones."""

import io
from pathlib import Path

from PIL import Image

COLOURS = ("red", "green", "blue", "white", "black", "yellow")


def image_bytes(colour: str = "red", kind: str = "PNG", mode: str = "RGB", size: tuple[int, int] = (12, 10)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).convert(mode).save(file, kind)
    return file.getvalue()


def write(file: Path, content: bytes | None = None) -> Path:
    """The file with its folders; a red PNG where no content is given."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(image_bytes() if content is None else content)
    return file


def write_class(folder: Path, count: int, colour: str = "red") -> Path:
    for number in range(count):
        write(folder / f"{number}.png", image_bytes(colour))
    return folder
