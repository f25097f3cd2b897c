from pathlib import Path

from service.engine.repository import FILE_NAME, listing


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
