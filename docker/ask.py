"""Asks a running service what its users ask, one printed line per answer; exit status 1 at the first wrong one.

Knows the address and the shipped model `digits`. Standard library only; the image it sends is drawn here.
"""

# ruff: noqa: INP001, T201 - a script that prints, no package

import json
import struct
import sys
import zlib
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

SIDE = 28
BOUNDARY = "fovea-smoke-boundary"


def chunk(kind: bytes, data: bytes) -> bytes:
    """One PNG chunk: length, kind, data, CRC-32 of kind and data (PNG specification, 5.3)."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def drawn_one() -> bytes:
    """A handwritten-looking 1 as an 8-bit grey PNG of 28x28: a white stroke, six pixels wide, on black."""
    stroke = bytes(255 if 11 <= x <= 16 else 0 for x in range(SIDE))
    rows = b"".join(b"\0" + (stroke if 2 <= y < 26 else bytes(SIDE)) for y in range(SIDE))
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def upload(url: str, png: bytes) -> Request:
    """A multipart form with the image in its field `file`, as curl -F sends it."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="one.png"\r\n\r\n'
    body = head.encode() + png + f"\r\n--{BOUNDARY}--\r\n".encode()
    return Request(url, body, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})  # noqa: S310


def answer(request: str | Request) -> Any:
    """The JSON of a 200 within 10 s; any other status ends the program with the body's first 300 characters."""
    try:
        with urlopen(request, timeout=10) as response:  # noqa: S310 - the address is the caller's own
            return json.load(response)
    except HTTPError as error:
        raise SystemExit(f"FAIL  {error.url} answered {error.code}: {error.read().decode()[:300]}") from error
    except OSError as error:
        raise SystemExit(f"FAIL  no answer: {error}") from error


def passed(sentence: str, holds: bool) -> None:
    """Prints the outcome of one check, and ends the program at the first that does not hold."""
    print("ok   " if holds else "FAIL ", sentence, flush=True)
    if not holds:
        raise SystemExit(1)


def main(address: str) -> None:
    for probe in ("live", "ready"):
        answer(f"{address}/health/{probe}")
        passed(f"/health/{probe} answers 200", True)
    model = f"{address}/v1/models/digits"
    passed("the model digits is listed", "digits" in json.dumps(answer(f"{address}/v1/models")))
    best = answer(upload(f"{model}/classify", drawn_one()))["results"][0]["predictions"][0]
    passed(f"a drawn 1 is classified as {best['label']!r} ({best['probability']:.3f})", best["label"] == "1")
    layers = answer(f"{model}/layer-shapes")["layers"]
    passed(f"layer-shapes lists {len(layers)} layers", len(layers) > 0)


if __name__ == "__main__":
    main(sys.argv[1])
