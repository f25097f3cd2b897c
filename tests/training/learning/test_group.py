"""Several processes train what one would."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from training.errors import MissingDeviceError
from training.learning.group import Group, joined
from training.runs import checkpoint

ROOT = Path(__file__).parents[3]


def launched(folder: Path, task: str, processes: int) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command = [*torchrun, "-m", "tests.training.learning.two_processes", str(folder), task]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    assert done.returncode == 0, done.stderr


def weights(file: Path) -> dict[str, Tensor]:
    return dict(torch.load(file, weights_only=True))


def test_two_processes_end_with_the_weights_of_one(tmp_path: Path) -> None:
    for processes in (1, 2):
        launched(tmp_path, "train", processes)
    one, two = weights(tmp_path / "train-1.pt"), weights(tmp_path / "train-2.pt")
    for name, values in one.items():
        torch.testing.assert_close(two[name], values, rtol=1e-4, atol=1e-5)


def test_two_processes_stopped_and_resumed_are_two_uninterrupted_ones(tmp_path: Path) -> None:
    for task in ("train", "stop", "resume"):
        launched(tmp_path, task, 2)
    whole, gone_on = weights(tmp_path / "train-2.pt"), weights(tmp_path / "resume-2.pt")
    assert all(torch.equal(whole[name], gone_on[name]) for name in whole)


def test_what_one_process_wishes_all_do_at_the_end_of_the_epoch(tmp_path: Path) -> None:
    launched(tmp_path, "wish", 2)
    place = checkpoint.read(tmp_path).state["place"]
    assert (place["epoch"], place["step"]) == (2, 0)


@pytest.mark.parametrize("world", [1, 2, 3])
def test_the_parts_of_a_batch_are_the_batch(world: int) -> None:
    batch = torch.arange(10)
    parts = torch.cat([Group(rank, world).part(batch) for rank in range(world)])
    assert sorted(parts.tolist()) == batch.tolist()


def test_a_process_for_which_there_is_no_gpu_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "999")
    with (
        pytest.raises(MissingDeviceError, match=r"process 999 of this machine has no GPU, PyTorch finds \d+; "),
        joined("cuda"),
    ):
        pass
