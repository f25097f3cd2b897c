"""The data of a plan, fetched where that was asked for; what there is to say about them goes to stderr."""

import sys

from training.datasets import Dataset, default_folder, load, scalable
from training.datasets.download import download
from training.errors import InvalidRecipeError
from training.learning.group import Group
from training.networks.architecture import InputShape
from training.networks.named import architecture_named
from training.recipes import Recipe
from training.runs.plan import Plan


def loaded(plan: Plan, group: Group, *, fetch: bool = False) -> Dataset:
    """Raises what fetching and loading the data raise, and InvalidRecipeError."""
    shape = input_shape(plan.recipe)
    if fetch and group.first:
        download(plan.recipe.dataset, plan.data or default_folder(plan.recipe.dataset))
    group.wait()
    dataset = load(plan.recipe.dataset, plan.data, shape, skip_unreadable=plan.skip_unreadable)
    if group.first:
        for sentence in (*dataset.notes, *(f"skipped: {sentence}" for sentence in dataset.skipped)):
            print(sentence, file=sys.stderr)
    return dataset


def input_shape(recipe: Recipe) -> InputShape:
    """Of the images that the recipe's network gets. Raises InvalidRecipeError where they cannot be of that size."""
    height, width, channels = architecture_named(recipe.network).input_shape
    side = recipe.image_side
    if side and not scalable(recipe.dataset):
        remedy = f"the images of {recipe.dataset} have a size of their own: leave it out"
        raise InvalidRecipeError("image_side", side, remedy)
    return (side, side, channels) if side else (height, width, channels)
