"""Files appear whole or not at all."""

from pathlib import Path

import pytest

from training.errors import VersionExistsError
from training.files.publishing import publish, refuse_existing, version_path


def test_files_are_written_at_their_place_and_nothing_else_is_left(tmp_path: Path) -> None:
    paths = [version_path(tmp_path, "digits", version) for version in (0, 1)]
    publish({paths[0]: b"zero", paths[1]: b"one"})
    assert [path.read_bytes() for path in paths] == [b"zero", b"one"]
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == paths


def test_when_one_file_cannot_be_written_the_others_keep_their_content(tmp_path: Path) -> None:
    first, second = tmp_path / "a" / "model.onnx", tmp_path / "file" / "model.onnx"
    publish({first: b"before"})
    (tmp_path / "file").write_bytes(b"a file where a folder is needed")
    with pytest.raises(OSError, match="file"):
        publish({first: b"after", second: b"after"})
    assert first.read_bytes() == b"before"
    assert [path.name for path in first.parent.iterdir()] == ["model.onnx"]


def test_an_existing_version_is_refused_by_its_path(tmp_path: Path) -> None:
    path = version_path(tmp_path, "digits", 1)
    refuse_existing([path], "give another name")
    publish({path: b""})
    with pytest.raises(VersionExistsError) as caught:
        refuse_existing([path], "give another name")
    assert str(caught.value) == f"{path} exists; give another name"
