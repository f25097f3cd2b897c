"""Where pixels lie: what counts as free memory, and a file that is used as memory and leaves nothing behind."""

import tempfile
from pathlib import Path

import pytest
import torch

from training.datasets import Examples, memory
from training.datasets.memory import available_bytes, room
from training.errors import InvalidDataError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_file_serves_as_memory_and_has_no_name(folder: Path) -> None:
    images = room((3, 4, 4, 1), in_file=True)
    images[1] = 7
    assert images.sum() == 7 * 16
    assert list(folder.iterdir()) == []


def test_a_disk_without_room_is_named_before_anything_is_written(folder: Path) -> None:
    with pytest.raises(InvalidDataError) as caught:
        room((1 << 40, 1 << 10), in_file=True)
    assert str(caught.value) == (
        f"{folder} has no room for 1,125,899,906,842,624 bytes of decoded images; name another folder: TMPDIR=..."
    )


def test_the_least_of_machine_and_control_group_counts(tmp_path: Path) -> None:
    machine = tmp_path / "meminfo"
    machine.write_text("MemTotal:       9000 kB\nMemFree:          10 kB\nMemAvailable:   4000 kB\n")
    assert available_bytes(machine, tmp_path) == 4_096_000
    (tmp_path / "memory.max").write_text("3000000\n")
    (tmp_path / "memory.current").write_text("1000000\n")
    assert available_bytes(machine, tmp_path) == 2_000_000
    (tmp_path / "memory.max").write_text("max\n")
    assert available_bytes(machine, tmp_path) == 4_096_000


def test_a_system_that_says_nothing_has_some_memory_all_the_same(tmp_path: Path) -> None:
    assert available_bytes(tmp_path / "nowhere", tmp_path) > 1 << 20


@pytest.mark.parametrize("free", [0, 1 << 40])
def test_a_part_of_the_examples_is_the_same_in_memory_and_in_a_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, free: int
) -> None:
    asked: list[bool] = []

    def noted(shape: tuple[int, ...], *, in_file: bool) -> torch.Tensor:
        asked.append(in_file)
        return room(shape, in_file=in_file)

    monkeypatch.setattr(memory, "available_bytes", lambda: free)
    monkeypatch.setattr("training.datasets.dataset.room", noted)
    images = torch.arange(5, dtype=torch.uint8).reshape(5, 1, 1, 1)
    part = Examples(images, torch.arange(5)).where(torch.tensor([True, False, False, True, True]))
    assert part.images.flatten().tolist() == part.labels.tolist() == [0, 3, 4]
    assert asked == [free == 0]
    assert list(folder.iterdir()) == []
