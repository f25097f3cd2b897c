import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.load.percentiles import PER_MILLE, percentile


def test_of_the_numbers_to_a_thousand_each_percentile_is_its_own_rank() -> None:
    ascending = [float(number) for number in range(1, 1001)]
    assert [percentile(ascending, share) for share in PER_MILLE.values()] == [500, 900, 990, 999, 1000]


@pytest.mark.parametrize(("count", "expected"), [(1, 1), (10, 9), (11, 10), (100, 90), (101, 91)])
def test_between_two_ranks_it_is_the_upper_one(count: int, expected: int) -> None:
    assert percentile([float(number) for number in range(1, count + 1)], 900) == expected


@given(
    st.lists(st.floats(0, 1e6, allow_nan=False), min_size=1, max_size=300).map(sorted),
    st.integers(1, 1000),
)
def test_it_is_the_smallest_value_that_so_many_do_not_exceed(ascending: list[float], per_mille: int) -> None:
    found = percentile(ascending, per_mille)
    assert found in ascending
    assert 1000 * sum(value <= found for value in ascending) >= per_mille * len(ascending)
    assert 1000 * sum(value < found for value in ascending) < per_mille * len(ascending)
