"""The files of any multipart/form-data body (RFC 7578), in memory: nothing of a request is ever written to a disk.

`multipart` reads what every client writes, four times as quickly; this reads the rest, and says what is wrong with it.
"""

from collections.abc import Iterator

from python_multipart.multipart import parse_options_header

from service.errors import MalformedBodyError, TooManyImagesError, shown

# Python-multipart's own limits for a boundary and the headers of a part.
_MAX_BOUNDARY_BYTES = 256
_MAX_HEADERS = 8
MAX_HEADER_BYTES = 4096  # of all headers of a part
MAX_FIELDS = 8  # parts that are no files; nobody reads them
_MAX_CONTENT_TYPE = 1024
_MAX_FIELD_BYTES = 64 * 1024


def form_files(content_type: str, body: bytes, max_files: int) -> list[tuple[str, bytes]]:
    """(file name, contents) of each part that has a file name, in order; the names of the fields do not matter.

    Raises TooManyImagesError, and MalformedBodyError with the reason. Costs two searches through the body, whatever is
    in it, and copies each file once.
    """
    files: list[tuple[str, bytes]] = []
    fields = 0
    for name, contents in _parts(body, _delimiter(content_type), max_files + MAX_FIELDS):
        if name is not None:
            files.append((name, contents))
        elif len(contents) > _MAX_FIELD_BYTES:
            raise _malformed(f"a field without a file name has {len(contents):,} bytes, more than {_MAX_FIELD_BYTES:,}")
        else:
            fields += 1
        if len(files) > max_files:
            raise TooManyImagesError(max_files)
        if fields > MAX_FIELDS:
            raise _malformed(f"it has more than {MAX_FIELDS} fields without a file name")
    return files


def _delimiter(content_type: str) -> bytes:
    if len(content_type) > _MAX_CONTENT_TYPE:
        raise _malformed(f"its Content-Type has {len(content_type):,} characters, more than {_MAX_CONTENT_TYPE:,}")
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not 1 <= len(boundary) <= _MAX_BOUNDARY_BYTES:
        raise _malformed(f"its boundary has {len(boundary)} bytes, and takes 1 to {_MAX_BOUNDARY_BYTES}")
    return b"\r\n--" + boundary


def _parts(body: bytes, delimiter: bytes, most: int) -> Iterator[tuple[str | None, bytes]]:
    """File name and contents of each part, of at most one more than `most`; then it stops.

    RFC 2046 forbids the delimiter inside of a part, so that looking for it is enough; what stands before the first
    and after the last counts for nothing (5.1.1).
    """
    start = -2 if body.startswith(delimiter[2:]) else body.find(delimiter)  # at the very start without its line end
    if start == -1:
        raise _malformed("its boundary is not in it")
    position = start + len(delimiter)
    for _ in range(most + 1):
        if body.startswith(b"--", position):
            return
        end = body.find(delimiter, position)
        if end == -1:
            raise _malformed("it ends before its last part does")
        yield _part(body, position, end)
        position = end + len(delimiter)


def _part(body: bytes, start: int, end: int) -> tuple[str | None, bytes]:
    """What follows a delimiter: spaces, the end of that line, headers, an empty line, the contents."""
    empty_line = body.find(b"\r\n\r\n", start, end)
    if empty_line == -1:
        raise _malformed("the headers of a part do not end")
    if empty_line - start > MAX_HEADER_BYTES:
        raise _malformed(f"a part has more than {MAX_HEADER_BYTES:,} bytes of headers")
    padding, _, headers = body[start:empty_line].partition(b"\r\n")
    if padding.strip(b" \t"):
        raise _malformed("a line begins with its boundary and goes on")
    return _file_name(headers), body[empty_line + 4 : end]


def _file_name(headers: bytes) -> str | None:
    lines = headers.split(b"\r\n", _MAX_HEADERS)
    if len(lines) > _MAX_HEADERS:
        raise _malformed(f"a part has more than {_MAX_HEADERS} headers")
    named = dict(_header(line) for line in lines if line)
    _, options = parse_options_header(named.get(b"content-disposition", b""))
    if b"name" not in options:
        raise _malformed("a part has no Content-Disposition with a name")
    name = options.get(b"filename")
    return None if name is None else _text(name)


def _header(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    if not colon or not name or name != name.strip() or not name.isascii():
        raise _malformed(f"{shown(line)} is no header of a part")
    return name.lower(), value.strip(b" \t")


def _text(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("latin-1")


def _malformed(reason: str) -> MalformedBodyError:
    return MalformedBodyError(
        f"the multipart body cannot be read: {reason}", "send each image as a file, as `curl -F file=@picture.png` does"
    )
