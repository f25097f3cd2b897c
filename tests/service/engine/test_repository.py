import os
from pathlib import Path

import pytest

from service.engine.repository import FILE_NAME, Ignored, listing, pinned, stamp


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def test_versions_and_bare_files_are_found(tmp_path: Path) -> None:
    for path in ("digits/0/model.onnx", "digits/10/model.onnx", "own.onnx", "README.md", "digits/labels.txt"):
        touch(tmp_path / path)
    found = [(entry.name, entry.version) for entry in listing(tmp_path).entries]
    assert found == [("digits", 0), ("digits", 10), ("own", 1)]


def test_a_missing_folder_is_an_empty_repository(tmp_path: Path) -> None:
    assert listing(tmp_path / "none").entries == ()


def test_names_and_versions_that_cannot_be_served_are_ignored_with_a_reason(tmp_path: Path) -> None:
    for path in ("my model.onnx", "a/01/model.onnx", "b/latest/model.onnx", "-rf/1/model.onnx"):
        touch(tmp_path / path)
    found = listing(tmp_path)
    assert found.entries == ()
    assert len(found.ignored) == 4
    assert all(item.reason for item in found.ignored)


def test_a_link_that_leaves_the_folder_is_ignored(tmp_path: Path) -> None:
    touch(tmp_path / "outside.onnx")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "own.onnx").symlink_to(tmp_path / "outside.onnx")
    (item,) = listing(tmp_path / "models").ignored
    assert "leads out of the folder" in item.reason


def test_a_folder_wins_over_a_bare_file_of_the_same_name(tmp_path: Path) -> None:
    touch(tmp_path / "own.onnx")
    touch(tmp_path / "own" / "1" / FILE_NAME)
    found = listing(tmp_path)
    assert [entry.path.name for entry in found.entries] == [FILE_NAME]
    assert [item.path.name for item in found.ignored] == ["own.onnx"]


def test_hidden_files_are_nobodys_model(tmp_path: Path) -> None:
    touch(tmp_path / ".adding-x" / "1" / FILE_NAME)
    touch(tmp_path / ".own.onnx")
    assert listing(tmp_path) == listing(tmp_path / "none")


def test_what_is_no_file_is_ignored_and_never_opened(tmp_path: Path) -> None:
    (tmp_path / "loop.onnx").symlink_to(tmp_path / "loop.onnx")
    (tmp_path / "gone.onnx").symlink_to(tmp_path / "none")
    os.mkfifo(tmp_path / "pipe.onnx")
    found = listing(tmp_path)
    assert found.entries == ()
    assert [item.path.name for item in found.ignored] == ["gone.onnx", "loop.onnx", "pipe.onnx"]


def test_a_file_replaced_or_written_has_another_stamp(tmp_path: Path) -> None:
    path, other = tmp_path / "own.onnx", tmp_path / "other"
    path.write_bytes(b"1234")
    other.write_bytes(b"5678")
    first = stamp(path)
    status = path.stat()
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.rename(path)
    replaced = stamp(path)
    assert replaced != first
    path.write_bytes(b"56789")
    assert stamp(path) != replaced
    path.unlink()
    assert stamp(path) is None


def pin(folder: Path, text: bytes) -> Path:
    path = folder / "own" / "default"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text)
    return path


def test_a_default_is_a_version_in_a_text_file(tmp_path: Path) -> None:
    assert pinned(tmp_path, "own") is None
    pin(tmp_path, b" 12\n")
    assert pinned(tmp_path, "own") == 12


@pytest.mark.parametrize("text", [b"", b"latest", b"01", b"-1", b"1.0", b"1 2", b"\xff\xfe1", b"9" * 100])
def test_a_default_that_is_no_version_is_ignored_with_its_text(tmp_path: Path, text: bytes) -> None:
    path = pin(tmp_path, text)
    found = pinned(tmp_path, "own")
    assert isinstance(found, Ignored)
    assert found.path == path
    assert "write one version into it" in found.reason


def test_a_default_is_never_read_outside_the_folder(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("1")
    (tmp_path / "models" / "own").mkdir(parents=True)
    (tmp_path / "models" / "own" / "default").symlink_to(tmp_path / "secret")
    found = pinned(tmp_path / "models", "own")
    assert isinstance(found, Ignored)
    assert "leads out of the folder" in found.reason
