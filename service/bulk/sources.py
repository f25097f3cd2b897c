"""Where the images of a job come from, part by part: files of a folder, or rows of a parquet file."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import fsdecode, walk
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from service.errors import BulkSourceError, FoveaError, UnreadableImageError

Item = tuple[str, bytes | FoveaError]  # the name of an image, and its bytes or why there are none

_IMAGE, _PATH = "image", "path"


@dataclass(frozen=True)
class Folder:
    """Every file below `root`, whatever its name, in the order of `paths`: what is no image gets its own error."""

    root: Path
    paths: Sequence[str]

    def items(self) -> Iterator[Item]:
        """The files one after the other; costs the memory of one."""
        for path in self.paths:
            yield printable(path), _contents(self.root / path)


@dataclass(frozen=True)
class Rows:
    """Rows `start` to `stop` of a parquet file with a column `image` and perhaps a column `path`."""

    file: Path
    start: int
    stop: int

    def items(self) -> Iterator[Item]:
        """The rows one after the other; costs the memory of one row group's images."""
        with pq.ParquetFile(self.file) as file:
            first = 0
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                start, stop = max(self.start - first, 0), min(self.stop - first, rows)
                if start < stop:
                    columns = [name for name in (_IMAGE, _PATH) if name in file.schema_arrow.names]
                    table = file.read_row_group(group, columns=columns).slice(start, stop - start)
                    yield from (_row(row, first + start + n) for n, row in enumerate(table.to_pylist()))
                first += rows


def listed(root: Path) -> list[str]:
    """Every file below `root`, relative to it, in one order; hidden files and folders are left out.

    Raises BulkSourceError where there is none.
    """
    found = []
    for folder, folders, names in walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        here = Path(folder).relative_to(root)
        found += [fsdecode(here / name) for name in names if not name.startswith(".")]
    if not found:
        raise BulkSourceError(str(root), "holds no file", "name a folder of images, or a parquet file")
    return sorted(found)


def counted(file: Path) -> int:
    """The rows of a parquet file of images; raises BulkSourceError where it is none."""
    try:
        with pq.ParquetFile(file) as opened:
            schema, rows = opened.schema_arrow, opened.metadata.num_rows
    except (OSError, pa.ArrowException) as error:
        raise BulkSourceError(str(file), f"is no parquet file: {_first_line(error)}", "name a folder or one") from error
    if _IMAGE not in schema.names or not _holds_images(schema.field(_IMAGE).type):
        columns = ", ".join(schema.names)
        raise BulkSourceError(
            str(file), f"has the columns {columns}", f"name the image files' bytes `{_IMAGE}`, their names `{_PATH}`"
        )
    return int(rows)


def printable(path: str) -> str:
    """A file's name as text that can be written; bytes that are no text are shown as escapes."""
    return path.encode("utf-8", "backslashreplace").decode()


def written_paths(paths: Sequence[str]) -> str:
    """As JSON in ASCII, which also holds names that are no text."""
    return json.dumps(list(paths))


def _contents(path: Path) -> bytes | FoveaError:
    try:
        return path.read_bytes()
    except OSError as error:
        return UnreadableImageError(error.strerror or str(error))


def _holds_images(kind: pa.DataType) -> bool:
    """Bytes, or a record with a field `bytes`, as data sets of images have it."""
    if pa.types.is_struct(kind):
        return any(field.name == "bytes" and _holds_images(field.type) for field in kind)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def _row(row: dict[str, Any], number: int) -> Item:
    image, name = row[_IMAGE], row.get(_PATH)
    if isinstance(image, dict):
        image, name = image["bytes"], name or image.get("path")
    return str(name or number), UnreadableImageError("the row has no bytes") if image is None else image


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
