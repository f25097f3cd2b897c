"""Recipes: complete, in range, and what can be set of them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.errors import InvalidRecipeError, UnknownRecipeError
from training.networks import NETWORKS
from training.recipes import RECIPES, recipe_named, settings_between, with_settings
from training.recipes.digits import DIGITS


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_names_a_network(name: str) -> None:
    assert recipe_named(name).network in NETWORKS


def test_an_unknown_recipe_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UnknownRecipeError) as caught:
        recipe_named("digitz")
    assert str(caught.value) == "no recipe named 'digitz'; recipes: digits"


def test_the_settings_between_two_recipes_make_the_one_of_the_other() -> None:
    changed = with_settings(DIGITS, ["epochs=3", "mirror=random", "bfloat16=true", "network=mnist_cnn"])
    assert with_settings(DIGITS, settings_between(DIGITS, changed)) == changed
    assert settings_between(DIGITS, DIGITS) == ()


def test_settings_replace_numbers_and_leave_the_rest() -> None:
    changed = with_settings(DIGITS, ["epochs=3", "shift_pixels=1.5"])
    assert (changed.epochs, changed.shift_pixels) == (3, 1.5)
    assert changed.batch_size == DIGITS.batch_size


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("epochs=many", "setting 'epochs'='many' cannot be used; epochs is a number of type int"),
        ("epochs=2.5", "setting 'epochs'='2.5' cannot be used; epochs is a number of type int"),
        ("epochs=0", "setting 'epochs'=0 cannot be used; give a number from 1 to 10000"),
        (f"epochs={10**400}", f"setting 'epochs'={10**62}… cannot be used; give a number from 1 to 10000"),
        ("max_learning_rate=inf", "setting 'max_learning_rate'=inf cannot be used; give a number from 1e-08 to 1e+08"),
        ("epochs", "setting 'epochs'='' cannot be used; epochs is a number of type int"),
        ("mirror=both", "setting 'mirror'='both' cannot be used; give one of none, random, alternating"),
        ("bfloat16=yes", "setting 'bfloat16'='yes' cannot be used; give true or false"),
        ("max_learning_rate=nan", "setting 'max_learning_rate'=nan cannot be used; give a number from 1e-08 to 1e+08"),
    ],
)
def test_a_value_of_the_wrong_type_or_size_is_named(setting: str, sentence: str) -> None:
    with pytest.raises(InvalidRecipeError) as caught:
        with_settings(DIGITS, [setting])
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize("setting", ["epoch=3", "name=other", "dataset=mnist", "=3", ""])
def test_an_unknown_setting_is_answered_with_the_known_ones(setting: str) -> None:
    with pytest.raises(InvalidRecipeError, match="the settings are: network, validation_every, "):
        with_settings(DIGITS, [setting])


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=30))
def test_no_text_raises_anything_unexpected(value: str) -> None:
    try:
        with_settings(DIGITS, [f"epochs={value}"])
    except InvalidRecipeError as error:
        assert "epochs" in str(error)  # noqa: PT017 - both ends are fine, anything else fails the test
