"""Pictures listed in a CSV file: `path,label` or `path,label,split`, in any order of these columns, others ignored.

Paths are relative to the file and stay below its folder; `split` is train, val or test. UTF-8, commas, a first line of
names. Without `split`, every fifth image of each class is the test part.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from service.errors import shown
from training.datasets.dataset import Dataset
from training.datasets.folder import TEST, TRAINING, VALIDATION
from training.datasets.listing import Listing, Pictures, held_out, in_class_order, read
from training.datasets.pictures import Picture
from training.errors import InvalidDataError, MissingDataError
from training.networks.architecture import InputShape


@dataclass(frozen=True)
class _Row:
    line: int
    path: str
    label: str
    part: str  # "" where the file has no such column


def table(place: Path, input_shape: InputShape, *, skip_unreadable: bool = False) -> Dataset:
    """`place`: the CSV file, or a folder with no other. Without test images, those of val are the test part."""
    return read(listed(place), input_shape, skip_unreadable=skip_unreadable)


def listed(place: Path) -> Listing:
    """What the file lists, no picture opened yet; raises InvalidDataError naming the line, and UnfitLabelsError."""
    file = _file(place)
    rows = list(_rows(file))
    class_names = in_class_order({row.label for row in rows}, file)
    by_part: dict[str, list[Picture]] = {}
    for row in rows:
        by_part.setdefault(row.part, []).append(Picture(file.parent / row.path, class_names.index(row.label)))
    if "" in by_part:
        training, test = held_out(file, class_names, by_part[""])
        return Listing(file.parent, class_names, training, test, f"{_name(file)}, held-out stratified 20 %")
    return _by_parts(file, class_names, {part: tuple(pictures) for part, pictures in by_part.items()})


def _by_parts(file: Path, class_names: tuple[str, ...], parts: dict[str, Pictures]) -> Listing:
    tested = TEST if TEST in parts else VALIDATION[0]
    for part in (TRAINING, tested):
        if part not in parts:
            raise InvalidDataError(file, f"has no line whose split is {part}", "list some, or leave the column out")
    validation = parts.get(VALIDATION[0]) if tested == TEST else None
    description = f"{_name(file)} {tested} set"
    return Listing(file.parent, class_names, parts[TRAINING], parts[tested], description, validation)


def _file(place: Path) -> Path:
    if place.is_file():
        return place
    found = sorted(path for path in place.glob("*.csv") if not path.name.startswith("."))
    if not found:
        raise MissingDataError(["a CSV file of path,label"], place)
    if len(found) > 1:
        raise InvalidDataError(
            place, f"has {len(found)} CSV files: {found[0].name}, {found[1].name} ...", f"give one: --data {found[0]}"
        )
    return found[0]


def _rows(file: Path) -> Iterator[_Row]:
    seen: dict[PurePosixPath, int] = {}
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, restval="")
            _check_columns(file, reader.fieldnames or ())
            for fields in reader:
                row = _row(file, reader.line_num, fields)
                first = seen.setdefault(PurePosixPath(row.path), row.line)
                if first != row.line:
                    raise _wrong(file, row.line, f"lists {shown(row.path)} again, after line {first}", "remove one")
                yield row
    except (csv.Error, UnicodeDecodeError) as error:
        raise InvalidDataError(file, f"is no CSV file in UTF-8 ({error})", "save it as one") from error


def _check_columns(file: Path, columns: object) -> None:
    names = list(columns) if isinstance(columns, (list, tuple)) else []
    for name in ("path", "label"):
        if names.count(name) != 1:
            raise InvalidDataError(
                file, f"has no column {name} in its first line", "that line is path,label or path,label,split"
            )


def _row(file: Path, line: int, fields: dict[str, str]) -> _Row:
    path, label = fields["path"].strip(), fields["label"].strip()
    if not path or not label:
        raise _wrong(file, line, f"has no {'label' if path else 'path'}", "fill it in or remove the line")
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or Path(path).is_absolute():
        raise _wrong(file, line, f"has path {shown(path)}", "paths are relative to the CSV file and stay below it")
    return _Row(line, path, label, _part(file, line, fields["split"].strip().lower()) if "split" in fields else "")


def _part(file: Path, line: int, split: str) -> str:
    part = VALIDATION[0] if split in VALIDATION else split
    if part not in (TRAINING, VALIDATION[0], TEST):
        raise _wrong(file, line, f"has split {shown(split)}", "a split is train, val or test")
    return part


def _wrong(file: Path, line: int, reason: str, remedy: str) -> InvalidDataError:
    return InvalidDataError(file, f"line {line} {reason}", remedy)


def _name(file: Path) -> str:
    return file.stem.encode("utf-8", "replace").decode()
