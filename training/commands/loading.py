"""The data of a plan, fetched where that was asked for; what there is to say about them goes to stderr."""

import sys

from training.datasets import Dataset, default_folder, load
from training.datasets.download import download
from training.learning.group import Group
from training.networks.named import architecture_named
from training.runs.plan import Plan


def loaded(plan: Plan, group: Group, *, fetch: bool = False) -> Dataset:
    """Raises what fetching and loading the data raise."""
    height, width, channels = architecture_named(plan.recipe.network).input_shape
    side = plan.recipe.image_side
    shape = (side, side, channels) if side else (height, width, channels)
    if fetch and group.first:
        download(plan.recipe.dataset, plan.data or default_folder(plan.recipe.dataset))
    group.wait()
    dataset = load(plan.recipe.dataset, plan.data, shape, skip_unreadable=plan.skip_unreadable)
    if group.first:
        for sentence in (*dataset.notes, *(f"skipped: {sentence}" for sentence in dataset.skipped)):
            print(sentence, file=sys.stderr)
    return dataset
