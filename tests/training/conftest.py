"""Small real things for the tests of training: 300 of the digits, two epochs, one run of the whole path."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from tests.training.small_runs import Run, first, session, unwatched
from training.datasets import Dataset, load
from training.files import layer_statistics
from training.recipes import Recipe
from training.recipes.digits import DIGITS
from training.runs.publication import published

# Several test processes share the cores; two threads that wait for each other cost more than they give.
torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def few_images_for_the_report_in_a_file() -> Iterator[None]:
    """A thousand, with types checked at every call, would be most of the time that a publication takes here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layer_statistics, "IMAGES", 50)
        yield


@pytest.fixture(scope="session")
def few_digits() -> Dataset:
    digits = load("digits", None, (8, 8, 1))
    return replace(digits, training=first(digits.training, 300), test=first(digits.test, 100))


@pytest.fixture(scope="session")
def short() -> Recipe:
    return replace(DIGITS, epochs=2, batch_size=50)


@pytest.fixture(scope="session")
def finished(few_digits: Dataset, short: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The recipe `short` on `few_digits` with seed 3, published."""
    out = tmp_path_factory.mktemp("models")
    run = session(short, few_digits, seed=3, out=out)
    unwatched(run.events())
    files = published(run)
    untrained, trained = files
    return Run(untrained, trained, files)
