"""The model repository on disk: which files belong to which model and version. Opens no model file.

Two forms: `models/<name>/<version>/model.onnx`, and `models/<name>.onnx`, which is version 1 of `<name>`. Beside them
`models/<name>/default` may hold the number of the version that answers where none is named.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from service.errors import shown

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VERSION = re.compile(r"0|[1-9][0-9]{0,8}")
FILE_NAME = "model.onnx"
PIN_NAME = "default"
_PIN_BYTES = 64  # a version has at most 9 digits; the rest is room for spaces


@dataclass(frozen=True, order=True)
class Entry:
    """One version of one model on disk."""

    name: str
    version: int
    path: Path


@dataclass(frozen=True)
class Stamp:
    """What of a file differs once it was written or replaced."""

    size_bytes: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True)
class Ignored:
    """Something in the folder that looks like a model or a pin and is not used, with the reason."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Listing:
    """What the folder holds, in order of name and version."""

    entries: tuple[Entry, ...]
    ignored: tuple[Ignored, ...]


def listing(folder: Path) -> Listing:
    """Everything in the repository. A missing folder is an empty one. Links that leave the folder are ignored."""
    found = list(_found(folder)) if folder.is_dir() else []
    entries = [item for item in found if isinstance(item, Entry)]
    ignored = [item for item in found if isinstance(item, Ignored)]
    twins = [entry for entry in entries if _is_bare(entry) and _has_twin(entry, entries)]
    ignored += [Ignored(entry.path, f"{entry.name}/1/{FILE_NAME} is there too") for entry in twins]
    return Listing(tuple(sorted(set(entries) - set(twins))), tuple(ignored))


def readable_files(folder: Path) -> list[Path]:
    """The model files there now; none where the folder cannot be read, which whoever follows it says."""
    try:
        return [entry.path for entry in listing(folder).entries]
    except OSError:
        return []


def path_of(folder: Path, name: str, version: int) -> Path:
    """Where a version of a model belongs."""
    return folder / name / str(version) / FILE_NAME


def stamp(path: Path) -> Stamp | None:
    """None where there is no file, or none that may be looked at."""
    try:
        status = path.stat()
    except OSError:
        return None
    return Stamp(status.st_size, status.st_mtime_ns, status.st_ino)


def pinned(folder: Path, name: str) -> int | Ignored | None:
    """The version that the model's file `default` names, whether it exists or not; None where there is no such file."""
    path = folder / name / PIN_NAME
    if not path.is_file():
        return None
    if _leaves(path, folder.resolve()):
        return Ignored(path, "a link leads out of the folder")
    try:
        with path.open("rb") as file:
            text = file.read(_PIN_BYTES).decode("utf-8", "replace").strip()
    except OSError as error:
        return Ignored(path, f"the default of {name} cannot be read: {error.strerror}")
    if not _VERSION.fullmatch(text):
        return Ignored(path, f"the default of {name} is {shown(text)}: write one version into it, a whole number")
    return int(text)


def _found(folder: Path) -> Iterator[Entry | Ignored]:
    root = folder.resolve()
    for child in sorted(folder.iterdir()):
        if child.name.startswith("."):
            continue
        if child.is_dir():
            paths = (version / FILE_NAME for version in sorted(child.glob("*")))
            # Also a link that leads nowhere is said, which `glob` would pass over.
            yield from (_judged(root, path, child.name, path.parent.name) for path in paths if os.path.lexists(path))
        elif child.suffix == ".onnx":
            yield _judged(root, child, child.stem, "1")


def _judged(root: Path, path: Path, name: str, version: str) -> Entry | Ignored:
    if not NAME.fullmatch(name):
        return Ignored(path, "a model's name has 1 to 64 of A-Z a-z 0-9 . _ - and begins with a letter or digit")
    if not _VERSION.fullmatch(version):
        return Ignored(path, "a version is a whole number without leading zeros")
    if not path.is_file():
        return Ignored(path, "it is not a file, or a link that leads to none")
    if _leaves(path, root):
        return Ignored(path, "a link leads out of the folder")
    return Entry(name, int(version), path)


def _leaves(path: Path, root: Path) -> bool:
    return not path.resolve().is_relative_to(root)


def _is_bare(entry: Entry) -> bool:
    return entry.path.name != FILE_NAME or entry.path.parent.name != str(entry.version)


def _has_twin(entry: Entry, entries: list[Entry]) -> bool:
    return any(other.name == entry.name and other.version == 1 and not _is_bare(other) for other in entries)
