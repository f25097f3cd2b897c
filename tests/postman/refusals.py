"""One request for each kind of error that costs the service nothing to give. Overload and deadlines do cost."""

import base64
import json
import struct
import zlib
from pathlib import Path

from tests.postman.example import PICTURE, PROBLEM, SEVEN, Body, Example


def _images(*files: bytes) -> Body:
    return Body("text", json.dumps({"images": [base64.b64encode(file).decode() for file in files]}))


def _refused(code: str, status: int, operation: str = "classify", **asked: object) -> Example:
    expected = {"code": code, "status": status}
    return Example(operation, f"{status} {code}", status=status, content_type=PROBLEM, holds=expected, **asked)  # type: ignore[arg-type]


def _enormous() -> bytes:
    """The head of a PNG that says it has 100,000 x 100,000 pixels; it is refused before any is decoded."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


_CUT_SHORT = Path(SEVEN).read_bytes()[:100]

REFUSALS = (
    _refused("model_unknown", 404, path={"model": "mnits"}, body=PICTURE),
    _refused("version_unknown", 404, "classify_of_version", path={"version": 9}, body=PICTURE),
    _refused("layer_unknown", 404, "describe_layer", path={"layer": "conv9"}),
    _refused("body_malformed", 400, body=Body("text", '{"images": [')),
    _refused("image_missing", 422, body=Body("text", "", content_type="image/png")),
    _refused("image_empty", 422, body=_images(b"")),
    _refused("image_corrupt", 422, body=_images(_CUT_SHORT)),
    _refused("image_too_large", 422, body=_images(_enormous())),
    _refused("too_many_images", 422, body=_images(*[b"x"] * 65)),
    _refused("image_format_unsupported", 415, body=_images(b"no image")),
    _refused("parameter_invalid", 422, query={"top": 0}, body=PICTURE),
    _refused("token_invalid", 401, "reload", off="management_off", token="not the token"),  # noqa: S106 - that is the point
)
