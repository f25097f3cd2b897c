"""A network by the name that a recipe gives."""

from training.errors import InvalidRecipeError
from training.networks import NETWORKS, Architecture


def architecture_named(name: str) -> Architecture:
    """Raises InvalidRecipeError, which says what there is."""
    if name not in NETWORKS:
        raise InvalidRecipeError("network", name, f"the networks are: {', '.join(sorted(NETWORKS))}")
    return NETWORKS[name]
