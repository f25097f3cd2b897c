"""A run on disk, runs/<model>-<seed>/checkpoint.pt: whole or not at all, and readable without running its code."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from training.errors import CheckpointError
from training.learning.state import Weights
from training.runs.plan import Plan, read_plan

FORMAT = 1
FILE = "checkpoint.pt"


@dataclass(frozen=True)
class Checkpoint:
    """`initial` are the weights before the first step, `state` what `snapshot` gave; `data` the data's fingerprint.

    `hardware` is the session's; older checkpoints do not state it.
    """

    plan: Plan
    data: str
    processes: int
    initial: Weights
    state: dict[str, Any]
    hardware: tuple[str, ...] = ("not stated",)

    @property
    def kept_epoch(self) -> int:
        """Whose weights `state` has kept; 0 before the first epoch is finished."""
        return int(self.state["kept_epoch"])


def run_folder(runs: Path, plan: Plan) -> Path:
    return runs / f"{plan.name}-{plan.seed}"


def write(folder: Path, checkpoint: Checkpoint) -> None:
    """Replaces the folder's checkpoint. Raises CheckpointError; then the one before it is still whole."""
    path = folder / FILE
    temporary = folder / f".{FILE}.{os.getpid()}"
    content = vars(checkpoint) | {"format": FORMAT, "plan": checkpoint.plan.written()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            torch.save(content, file)
        temporary.replace(path)
    except (OSError, RuntimeError) as error:  # torch gives a full disk either name
        kept = "the checkpoint before it is whole: resume from it" if path.exists() else "nothing was written"
        raise CheckpointError(path, f"cannot be written ({_first_line(error)})", kept) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def read(folder: Path) -> Checkpoint:
    """The folder's checkpoint, on the CPU. Only tensors, numbers and text are unpickled. Raises CheckpointError."""
    path = folder / FILE
    if not path.is_file():
        raise CheckpointError(path, "does not exist", "give the folder of an interrupted run, as in runs/mnist-0")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        stated = content.pop("format")
        found = Checkpoint(**(content | {"plan": read_plan(content["plan"])}))
    except Exception as error:  # torch, pickle and zipfile have no base in common
        raise CheckpointError(path, f"cannot be read ({_first_line(error)})", "train again") from error
    if stated != FORMAT:
        raise CheckpointError(path, f"is of format {stated}, not {FORMAT}", "resume it with the version that wrote it")
    return found


def remove(folder: Path) -> None:
    """Once the run is published. Other files in the folder stay."""
    (folder / FILE).unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
