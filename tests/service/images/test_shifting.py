import numpy as np
import pytest

from service.arrays import Pixels
from service.images.shifting import Fill, shifted

PICTURE: Pixels = np.arange(1, 13, dtype=np.uint8).reshape(3, 4, 1)


@pytest.mark.parametrize(
    ("dx", "dy", "fill", "expected"),
    [
        (1, 0, "zero", [[0, 1, 2, 3], [0, 5, 6, 7], [0, 9, 10, 11]]),
        (1, 0, "edge", [[1, 1, 2, 3], [5, 5, 6, 7], [9, 9, 10, 11]]),
        (-3, 0, "edge", [[4, 4, 4, 4], [8, 8, 8, 8], [12, 12, 12, 12]]),
        (0, 2, "zero", [[0, 0, 0, 0], [0, 0, 0, 0], [1, 2, 3, 4]]),
        (-1, -1, "edge", [[6, 7, 8, 8], [10, 11, 12, 12], [10, 11, 12, 12]]),
        (0, 0, "zero", PICTURE[:, :, 0].tolist()),
    ],
)
def test_a_picture_moves_right_and_down_and_what_comes_in_is_as_stated(
    dx: int, dy: int, fill: Fill, expected: list[list[int]]
) -> None:
    assert shifted(PICTURE, dx, dy, fill)[:, :, 0].tolist() == expected


def test_the_picture_itself_and_its_colours_are_left_alone() -> None:
    coloured = np.random.default_rng(0).integers(1, 256, (5, 6, 3), np.uint8)
    before = coloured.copy()
    moved = shifted(coloured, 2, 1, "zero")
    assert np.array_equal(moved[1:, 2:], coloured[:-1, :-2])
    assert np.array_equal(coloured, before)
