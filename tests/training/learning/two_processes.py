"""Started by torchrun in a test: trains `short` digits in this group and saves the first process's weights."""

import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import torch

from tests.training.small_runs import first, planned, unwatched
from training.datasets import load
from training.errors import StoppedError
from training.learning.group import joined
from training.recipes.digits import DIGITS
from training.runs import checkpoint
from training.runs.keeping import kept
from training.runs.session import begun, resumed, write_checkpoint


def main(folder: Path, task: str) -> None:
    train(folder, task)
    left = [name for thread in Path("/proc/self/task").iterdir() if "gloo" in (name := (thread / "comm").read_text())]
    if left:
        raise SystemExit(f"threads of the group are left, which may abort the process as Python ends: {left}")


def train(folder: Path, task: str) -> None:
    torch.set_num_threads(1)
    digits = load("digits", None, (8, 8, 1))
    dataset = replace(digits, training=first(digits.training, 300), test=first(digits.test, 100))
    # 250 images in batches of 63: the parts of two processes differ by one image. AdamW would divide what rounding
    # leaves of a gradient of 0 by itself.
    recipe = replace(
        DIGITS, epochs=2, batch_size=63, average_decay=0.9, mixup_alpha=0.2, optimizer="sgd", max_learning_rate=0.1
    )
    with joined("cpu") as group:
        session = begun(planned(recipe, 3), dataset, group)
        if task == "resume":
            session = resumed(folder, checkpoint.read(folder), dataset, group)
        if task == "wish":  # of the second process alone
            with suppress(StoppedError):
                unwatched(kept(session, folder, lambda: not group.first))
            return
        events = session.events()
        if task == "stop":
            for _ in range(5):
                next(events)
            write_checkpoint(folder, session)
            return
        unwatched(events)
        if group.first:
            torch.save(session.state.network.state_dict(), folder / f"{task}-{group.world}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
