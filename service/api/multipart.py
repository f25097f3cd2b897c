"""The files of a multipart body that is wholly in memory, where it is as plain as every client writes it.

Strict on purpose: whatever is unusual gives None, and `form` decides.
"""

import re

from service.api.uploads import Upload

_BOUNDARY = re.compile(rb'multipart/form-data; ?boundary="?([A-Za-z0-9\'()+_,./:=?-]{1,70})"?', re.IGNORECASE)
_FILE = re.compile(
    rb'content-disposition: form-data; name="[^"\\%\r\n]{0,256}"; filename="([^"\\%\r\n]{0,1024})"'
    rb"(?:\r\ncontent-type: [^\r\n]{0,256})?",
    re.IGNORECASE,
)


def plain_uploads(content_type: bytes, body: bytes) -> list[Upload] | None:
    """The images of a raw body or of plain multipart; empty where there is no body, None as `plain_files`."""
    if content_type[:10].lower() != b"multipart/":
        return [Upload(body)] if body else []
    files = plain_files(content_type, body)
    return None if files is None else [Upload(data, name[:128] or None) for name, data in files]


def plain_files(content_type: bytes, body: bytes) -> list[tuple[str, bytes]] | None:
    """(file name, contents) of each part in order; None where a part is no plain file or the body no plain multipart.

    Copies each file once; costs two searches through the body.
    """
    boundary = _BOUNDARY.fullmatch(content_type)
    if boundary is None:
        return None
    delimiter = b"--" + boundary[1]
    start, end = delimiter + b"\r\n", b"\r\n" + delimiter + b"--"
    body = body.removesuffix(b"\r\n")
    if not (body.startswith(start) and body.endswith(end)):
        return None
    parts = body[len(start) : -len(end)].split(b"\r\n" + delimiter + b"\r\n")
    files = [_file(part, b"\r\n" + delimiter) for part in parts]
    return [file for file in files if file is not None] if None not in files else None


def _file(part: bytes, delimiter: bytes) -> tuple[str, bytes] | None:
    header, _, contents = part.partition(b"\r\n\r\n")
    found = _FILE.fullmatch(header)
    if found is None or delimiter in contents or not found[1].isascii():
        return None
    return found[1].decode("ascii"), contents
