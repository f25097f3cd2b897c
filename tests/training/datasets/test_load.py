"""The data sets by name."""

from pathlib import Path

import pytest

from training.datasets import NAMES, load
from training.errors import TrainingError, UnknownDatasetError


def test_an_unknown_name_gets_the_known_ones() -> None:
    with pytest.raises(UnknownDatasetError) as caught:
        load("imagenet", None, (8, 8, 3))
    assert str(caught.value) == (
        "no data set named 'imagenet'; data sets: digits, mnist, fashion_mnist, cifar10, cifar10_jpeg, folder, csv"
    )


@pytest.mark.parametrize("name", NAMES[1:])
def test_data_that_is_not_there_is_one_line_that_names_the_default_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        TrainingError, match=rf"^data/{name} lacks .*; put these files there or give another folder: --data"
    ):
        load(name, None, (8, 8, 3))
