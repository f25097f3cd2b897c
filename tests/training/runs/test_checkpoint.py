"""A checkpoint: whole or not at all, and one line for every way in which it cannot be used."""

from pathlib import Path

import pytest
import torch

from tests.training.small_runs import session
from training.datasets import Dataset
from training.errors import CheckpointError
from training.recipes import Recipe
from training.runs import checkpoint
from training.runs.checkpoint import FILE
from training.runs.session import write_checkpoint


@pytest.fixture
def written(short: Recipe, few_digits: Dataset, tmp_path: Path) -> Path:
    write_checkpoint(tmp_path, session(short, few_digits, seed=1, out=Path("there")))
    return tmp_path


def test_it_remembers_what_was_asked(written: Path, short: Recipe) -> None:
    plan = checkpoint.read(written).plan
    assert (plan.recipe, plan.seed, plan.out, plan.data) == (short, 1, Path("there"), None)


def test_a_full_disk_leaves_the_one_before_whole(
    written: Path, short: Recipe, few_digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (written / FILE).read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(
        CheckpointError, match=r"cannot be written .*No space left.*; the checkpoint before it is whole"
    ):
        write_checkpoint(written, session(short, few_digits, seed=2))
    assert (written / FILE).read_bytes() == before
    assert [path.name for path in written.iterdir()] == [FILE]


def test_a_folder_that_cannot_be_made_is_named(short: Recipe, few_digits: Dataset, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(CheckpointError, match=r"cannot be written .*; nothing was written"):
        write_checkpoint(blocked / "run", session(short, few_digits))


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04"])
def test_a_broken_file_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt cannot be read"):
        checkpoint.read(tmp_path)


def test_a_file_that_would_run_code_is_not_read(tmp_path: Path) -> None:
    torch.save({"format": 1, "plan": print}, tmp_path / FILE)
    with pytest.raises(CheckpointError, match="cannot be read"):
        checkpoint.read(tmp_path)


def test_another_format_is_named(written: Path) -> None:
    content = torch.load(written / FILE, weights_only=True)
    torch.save(content | {"format": 7}, written / FILE)
    with pytest.raises(CheckpointError, match="is of format 7, not 1"):
        checkpoint.read(written)


def test_a_missing_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist; give the folder of an interrupted run"):
        checkpoint.read(tmp_path / "nowhere")


def test_removing_it_removes_its_empty_folder_and_no_other_file(written: Path) -> None:
    (written / "notes").write_text("mine")
    checkpoint.remove(written)
    assert [path.name for path in written.iterdir()] == ["notes"]
    (written / "notes").unlink()
    checkpoint.remove(written)
    assert not written.exists()
