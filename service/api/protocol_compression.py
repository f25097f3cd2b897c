"""Content-Encoding of infer: bodies that arrive compressed, answers that are asked for compressed. gzip and deflate.

Compresses nothing else: the clients of the protocol read compressed errors and metadata as text and fail.
"""

import gzip
import zlib

from service.errors import BodyTooLargeError, MalformedBodyError, UnsupportedEncodingError

# zlib's window bits: 16 more means gzip; "deflate" of HTTP is a zlib stream (RFC 9110, 8.4.1.2).
_WINDOW_BITS = {"gzip": 31, "deflate": 15}
_WORTH_IT = 1400  # bytes; less fits one packet either way


def decompressed(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """The body as it was before compression; raises BodyTooLargeError before more than `max_bytes` are unpacked."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in _WINDOW_BITS:
        raise UnsupportedEncodingError(encoding, list(_WINDOW_BITS))
    stream = zlib.decompressobj(_WINDOW_BITS[encoding])
    try:
        unpacked = stream.decompress(body, max_bytes + 1)
    except zlib.error:
        unpacked = b""
    if len(unpacked) > max_bytes:
        raise BodyTooLargeError(max_bytes)
    if not stream.eof or stream.unused_data:
        raise MalformedBodyError(f"the body is not one whole {encoding} stream", "send it whole, or uncompressed")
    return unpacked


def compressed(body: bytes, accepted: str) -> tuple[bytes, dict[str, str]]:
    """The answer and its headers, by the request's Accept-Encoding; small ones and other encodings as they are."""
    encoding = next((name for name in _WINDOW_BITS if name in _names(accepted)), None)
    if encoding is None or len(body) < _WORTH_IT:
        return body, {"Vary": "Accept-Encoding"}
    packed = gzip.compress(body, 1, mtime=0) if encoding == "gzip" else zlib.compress(body, 1)
    return packed, {"Content-Encoding": encoding, "Vary": "Accept-Encoding"}


def _names(accepted: str) -> set[str]:
    """The encodings that a client takes; `;q=0` means that it does not."""
    offers = (offer.replace(" ", "").lower().partition(";q=") for offer in accepted.split(","))
    return {name for name, _, weight in offers if weight.strip("0.") or not weight}
