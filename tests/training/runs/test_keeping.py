"""When a checkpoint is written, and how a wish to stop is granted."""

from pathlib import Path

import pytest

from tests.training.small_runs import session, unwatched
from training.datasets import Dataset
from training.errors import StoppedError
from training.learning.events import Epoch
from training.recipes import Recipe
from training.runs import checkpoint, keeping
from training.runs.checkpoint import FILE
from training.runs.keeping import kept


def test_an_epoch_leaves_a_checkpoint_and_the_last_one_none(short: Recipe, few_digits: Dataset, tmp_path: Path) -> None:
    places = []
    for event in kept(session(short, few_digits), tmp_path, lambda: False):
        if isinstance(event, Epoch):
            continue
        places.append(checkpoint.read(tmp_path).state["place"]["epoch"] if (tmp_path / FILE).exists() else 0)
    assert places == [0, 0, 0, 0, 0, 2, 2, 2, 2, 2]


def test_a_wish_is_granted_after_the_step_it_came_in(short: Recipe, few_digits: Dataset, tmp_path: Path) -> None:
    seen = 0

    def wished() -> bool:
        return seen == 7

    def watch() -> None:
        nonlocal seen
        for _ in kept(session(short, few_digits), tmp_path, wished):
            seen += 1

    with pytest.raises(StoppedError) as caught:
        watch()
    assert str(caught.value) == (
        f"stopped in epoch 2 after step 1; nothing is lost; go on: python -m training resume {tmp_path}; "
        f"export the best epoch: python -m training export {tmp_path}"
    )
    place = checkpoint.read(tmp_path).state["place"]
    assert (place["epoch"], place["step"]) == (2, 1)


def test_in_the_first_epoch_there_is_nothing_to_export_yet(short: Recipe, few_digits: Dataset, tmp_path: Path) -> None:
    with pytest.raises(StoppedError) as caught:
        unwatched(kept(session(short, few_digits), tmp_path, lambda: True))
    assert str(caught.value) == (
        f"stopped in epoch 1 after step 1; nothing is lost; go on: python -m training resume {tmp_path}"
    )


def test_a_long_epoch_leaves_checkpoints_in_its_middle(
    short: Recipe, few_digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "SECONDS_BETWEEN", 0.0)
    events = kept(session(short, few_digits), tmp_path, lambda: False)
    next(events)
    next(events)
    assert checkpoint.read(tmp_path).state["place"]["step"] == 1
