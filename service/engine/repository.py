"""The model repository on disk: which files belong to which model and version. Opens none of them.

Two forms: `models/<name>/<version>/model.onnx`, and `models/<name>.onnx`, which is version 1 of `<name>`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VERSION = re.compile(r"0|[1-9][0-9]{0,8}")
FILE_NAME = "model.onnx"


@dataclass(frozen=True, order=True)
class Entry:
    """One version of one model on disk."""

    name: str
    version: int
    path: Path


@dataclass(frozen=True)
class Ignored:
    """Something in the folder that looks like a model and is not served, with the reason."""

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


def path_of(folder: Path, name: str, version: int) -> Path:
    """Where a version of a model belongs."""
    return folder / name / str(version) / FILE_NAME


def _found(folder: Path) -> Iterator[Entry | Ignored]:
    root = folder.resolve()
    for child in sorted(folder.iterdir()):
        if child.name.startswith("."):
            continue
        if child.is_dir():
            yield from (
                _judged(root, path, child.name, path.parent.name) for path in sorted(child.glob(f"*/{FILE_NAME}"))
            )
        elif child.suffix == ".onnx":
            yield _judged(root, child, child.stem, "1")


def _judged(root: Path, path: Path, name: str, version: str) -> Entry | Ignored:
    if not NAME.fullmatch(name):
        return Ignored(path, "a model's name has 1 to 64 of A-Z a-z 0-9 . _ - and begins with a letter or digit")
    if not _VERSION.fullmatch(version):
        return Ignored(path, "a version is a whole number without leading zeros")
    if not path.resolve().is_relative_to(root):
        return Ignored(path, "a link leads out of the folder")
    return Entry(name, int(version), path)


def _is_bare(entry: Entry) -> bool:
    return entry.path.name != FILE_NAME or entry.path.parent.name != str(entry.version)


def _has_twin(entry: Entry, entries: list[Entry]) -> bool:
    return any(other.name == entry.name and other.version == 1 and not _is_bare(other) for other in entries)
