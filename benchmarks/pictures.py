"""The pictures that are sent, and the HTTP bodies made of them. Knows no system.

The tiny one is the sample that ships; the large one is a photograph at exactly 640x480, JPEG quality 90: from
FOVEA_DATA (photos/*.JPEG) where that is there, else drawn with a photograph's spectrum.
"""

import io
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.environments import ROOT

_SIZE = (640, 480)
_BOUNDARY = "fovea-benchmark"
_TYPES = {".png": "image/png", ".jpg": "image/jpeg"}


@dataclass(frozen=True)
class Form:
    """How pictures are put into a request: `multipart` or `raw`, and how many."""

    name: str
    images: int = 1


MULTIPART, RAW, SIXTEEN = Form("multipart"), Form("raw"), Form("multipart", 16)


@dataclass(frozen=True)
class Picture:
    path: Path
    origin: str

    @property
    def content_type(self) -> str:
        return _TYPES[self.path.suffix]

    def body(self, form: Form) -> bytes:
        data = self.path.read_bytes()
        if form.name == "raw":
            return data
        head = (
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{self.path.name}"\r\n'
            f"Content-Type: {self.content_type}\r\n\r\n"
        ).encode()
        return (head + data + b"\r\n") * form.images + f"--{_BOUNDARY}--\r\n".encode()

    def header(self, form: Form) -> str:
        return self.content_type if form.name == "raw" else f"multipart/form-data; boundary={_BOUNDARY}"


def seven() -> Picture:
    return Picture(ROOT / "docs/samples/seven.png", "docs/samples/seven.png, 28x28 PNG")


def photograph(folder: Path) -> Picture:
    """640x480, JPEG quality 90, written into `folder`."""
    found = sorted(Path(os.environ.get("FOVEA_DATA", ROOT.parent / "shared/data")).glob("photos/*.JPEG"))
    image, origin = (_cut(found[0]), found[0].name) if found else (_drawn(), "drawn (no photos in FOVEA_DATA)")
    path = folder / "photograph.jpg"
    image.save(path, "JPEG", quality=90)
    return Picture(path, f"{origin}, 640x480 JPEG quality 90, {path.stat().st_size:,} bytes")


def _cut(path: Path) -> Image.Image:
    with Image.open(path) as image:
        ratio = min(image.width / _SIZE[0], image.height / _SIZE[1])
        box = (0, 0, _SIZE[0] * ratio, _SIZE[1] * ratio)
        return image.convert("RGB").resize(_SIZE, Image.Resampling.LANCZOS, box=box)


def _drawn() -> Image.Image:
    """Noise whose amplitude falls with frequency, as in photographs, so that a JPEG of it is about as large as one."""
    width, height = _SIZE
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    noise = np.random.default_rng(0).standard_normal((3, height, width))
    smooth = np.fft.irfft2(np.fft.rfft2(noise) / np.maximum(frequency, 1 / width) ** 1.4, s=(height, width))
    smooth = (smooth - smooth.mean()) / smooth.std() * 50 + 128
    buffer = io.BytesIO()
    Image.fromarray(smooth.clip(0, 255).astype(np.uint8).transpose(1, 2, 0).copy()).save(buffer, "PNG")
    return Image.open(buffer)
