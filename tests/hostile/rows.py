"""The rows of the catalogue in docs/hostile-input.md: a test names the one it holds in the id of its parameter.

So `pytest -k I6` runs what there is about row I6.
"""

import pytest
from _pytest.mark import ParameterSet

# M: bodies, I: images, Q: query parameters, N: names, R: the repository on disk and what lies in it.
CATALOGUE = (
    *(f"M{number}" for number in range(1, 16)),
    *(f"I{number}" for number in range(1, 25)),
    *(f"Q{number}" for number in range(1, 8)),
    "N",
    *(f"R{number}" for number in range(1, 22)),
)


def row(name: str, note: str, *values: object) -> ParameterSet:
    """One parametrisation: the row, what of it is tried, and the values."""
    return pytest.param(*values, id=f"{name}-{note}")
