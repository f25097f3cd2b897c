"""Model files at their place, models/<name>/<version>/model.onnx, whole or not at all. Knows nothing of them."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from training.errors import VersionExistsError


def version_path(out: Path, name: str, version: int) -> Path:
    return out / name / str(version) / "model.onnx"


def refuse_existing(paths: Iterable[Path], remedy: str) -> None:
    """Raises VersionExistsError, with this remedy, for the first file that is there already."""
    for path in paths:
        if path.exists():
            raise VersionExistsError(path, remedy)


def publish(files: Mapping[Path, bytes]) -> None:
    """Writes all files under temporary names, then renames them: a reader sees the old file or the whole new one.

    Where writing fails or is interrupted, no file has changed.
    """
    temporary = {path: path.with_name(f".{path.name}.{os.getpid()}") for path in files}
    try:
        for path, content in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary[path].write_bytes(content)
        for path in files:
            temporary[path].replace(path)
    finally:
        for leftover in temporary.values():
            leftover.unlink(missing_ok=True)
