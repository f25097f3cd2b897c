"""The recipes by name. A new one is a constant in a module here and its name in `RECIPES`."""

from training.errors import UnknownRecipeError
from training.recipes.cifar10 import CIFAR10, CIFAR10_RESNET18
from training.recipes.digits import DIGITS
from training.recipes.fashion_mnist import FASHION_MNIST, FASHION_MNIST_BEST
from training.recipes.keras_examples import KERAS_1, KERAS_2
from training.recipes.mnist import MNIST, MNIST_BEST, MNIST_FAST
from training.recipes.photographs import CSV, FOLDER
from training.recipes.recipe import Recipe, settings_between, with_settings

__all__ = ["RECIPES", "Recipe", "recipe_named", "settings_between", "with_settings"]

_ALL = (
    DIGITS,
    MNIST,
    MNIST_FAST,
    MNIST_BEST,
    FASHION_MNIST,
    FASHION_MNIST_BEST,
    CIFAR10,
    CIFAR10_RESNET18,
    KERAS_1,
    KERAS_2,
    FOLDER,
    CSV,
)
RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in _ALL}


def recipe_named(name: str) -> Recipe:
    if name not in RECIPES:
        raise UnknownRecipeError(name, sorted(RECIPES))
    return RECIPES[name]
