"""What is sent over time: good requests by every door, and hostile images with the statuses that they may get."""

import io
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.environments import ROOT
from benchmarks.pictures import RAW, Form, seven
from benchmarks.reliability.asking import head, post

GOOD = frozenset({200})
OVERLOADED = frozenset({200, 503})  # while a worker is started again the other one may have to refuse
HOSTILE = frozenset({200, 413, 415, 422})
_CLASSIFY = "/v1/models/mnist/classify"
_MOST_BYTES = 2**20


@dataclass(frozen=True)
class Request:
    """The whole of a request, and the statuses that are no failure."""

    name: str
    content: bytes
    expected: frozenset[int]


def good() -> list[tuple[int, Request]]:
    """With their weights: the three doors to a classification, several images, and questions about the inside."""
    four = Form("multipart", 4)
    large = _jpeg(640, 480)
    yielding = frozenset({200, 503, 504})  # questions get the time that classifications leave
    return [
        (60, Request("small image", post(_CLASSIFY, seven().body(RAW)), OVERLOADED)),
        (20, Request("photograph", post(_CLASSIFY, large, "image/jpeg"), OVERLOADED)),
        (15, Request("four images", post(_CLASSIFY, seven().body(four), seven().header(four)), OVERLOADED)),
        (2, Request("feature maps", post("/v1/models/mnist/feature-maps", seven().body(RAW)), yielding)),
        (2, Request("layer table", head("GET", "/v1/models/mnist/layer-shapes"), yielding)),
        (1, Request("metrics", head("GET", "/metrics"), GOOD)),
    ]


def hostile() -> list[Request]:
    """The images of FOVEA_DATA/hostile-images up to 1 MiB; without them a few that are made here."""
    folder = Path(os.environ.get("FOVEA_DATA", ROOT.parent / "shared/data")) / "hostile-images"
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size <= _MOST_BYTES)
    found = [file.read_bytes() for file in files] or _made()
    return [Request("hostile image", post(_CLASSIFY, data, "application/octet-stream"), HOSTILE) for data in found]


def drawn(chance: random.Random, weighted: Sequence[tuple[int, Request]]) -> Request:
    return chance.choices([request for _, request in weighted], [weight for weight, _ in weighted])[0]


def oversized() -> bytes:
    """A head that announces 10 GB, and the first bytes of it."""
    return head("POST", _CLASSIFY, 10 * 10**9) + bytes(65536)


def _made() -> list[bytes]:
    """Cut, damaged and wrongly named."""
    whole, chance = _jpeg(640, 480), random.Random(0)
    cut = [whole[: chance.randrange(len(whole))] for _ in range(50)]
    damaged = []
    for _ in range(50):
        copy = bytearray(whole)
        for _ in range(10):
            copy[chance.randrange(len(copy))] ^= 1 << chance.randrange(8)
        damaged.append(bytes(copy))
    return [*cut, *damaged, b"GIF89a", b"<svg/>", b"\x89PNG\r\n\x1a\n" + bytes(100), bytes(1000)]


def _jpeg(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    smooth = np.add.outer(np.linspace(0, 200, height), np.linspace(0, 50, width)).astype(np.uint8)
    Image.fromarray(smooth).convert("RGB").save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
