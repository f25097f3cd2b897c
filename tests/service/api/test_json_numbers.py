"""Lists of numbers are set apart from JSON and read as the whole of it would have been."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.api.json_numbers import Numbers, restored, set_apart
from service.api.tensor_codec import from_json
from service.errors import InvalidTensorError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["data", "x", '"data"']), inner),
    max_leaves=12,
)
SPACES = st.sampled_from([None, 1, "\t"])


def put_back(value: Any, numbers: list[Numbers], key: str = "") -> Any:
    """`value` with all that was set apart read again."""
    if isinstance(value, dict):
        return {name: put_back(inner, numbers, name) for name, inner in value.items()}
    if not isinstance(value, list):
        return value
    found = restored(value, numbers) if key == "data" else value
    return json.loads(found.text) if isinstance(found, Numbers) else [put_back(inner, numbers) for inner in value]


@given(VALUES, SPACES)
@example({"data": [1]}, None)
@example({"data": [[1, -2.5e9], [3, 4]], "x": '"data":[1]', '"data"': [5]}, 1)
@example({"x": {"data": [0]}, "data": [0.5]}, "\t")
@example({"data": [[0], None]}, None)
@example({"data": [[0.5], [float("inf")], [2]]}, 1)
def test_nothing_is_lost_and_all_else_stays_in_its_place(value: Any, indent: Any) -> None:
    written = json.dumps(value, indent=indent).encode()
    rest, numbers = set_apart(written, b"data")
    assert put_back(json.loads(rest), numbers) == value
    assert rest.count(b"\n") == written.count(b"\n")
    if len(numbers) < 10:
        assert len(rest) == len(written)


def test_of_a_long_list_nothing_is_left_to_be_parsed() -> None:
    rest, (numbers,) = set_apart(b'{"data": [[1' + 100_000 * b", 1" + b"]]}", b"data")
    assert rest == b'{"data": [0]}'
    assert numbers.shape == (1, 100_001)
    assert sum(map(sum, numbers.pieces())) == 100_001


def test_an_error_behind_the_numbers_is_where_it_was() -> None:
    rest, _ = set_apart(b'{"data": [1,\n  2, 3], oops}', b"data")
    with pytest.raises(json.JSONDecodeError) as error:
        json.loads(rest)
    assert (error.value.lineno, error.value.colno) == (2, 10)


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("[1]", (1,)),
        ("[ 1 , 2 ]", (2,)),
        ("[[1, 2], [3, 4], [5, 6]]", (3, 2)),
        ("[[[1], [2]], [[3], [4]], [[5], [6]]]", (3, 2, 1)),
        ("[[[1, 2]]]", (1, 1, 2)),
        ("[[1], [2, 3]]", None),
        ("[[1, 2], [3]]", None),
        ("[1, [2]]", None),
        ("[[1], 2]", None),
        ("[[1][2]]", None),
        ("[[1], [2]", None),
        ("[1]]", None),
        ("[1], [2]", None),
        ("[[1], ]", None),
        ("[[1], [[2]]]", None),
    ],
)
def test_a_list_has_a_shape_where_it_is_nested_evenly(text: str, shape: tuple[int, ...] | None) -> None:
    assert Numbers(text.encode()).shape == shape


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.sampled_from(["UINT8", "INT64", "FP32", "FP64"]),
    st.randoms(use_true_random=False),
)
def test_an_array_is_the_same_whether_it_was_set_apart_or_parsed(shape: list[int], datatype: str, chance: Any) -> None:
    values = list(range(256)) if "INT" in datatype else [1, -2.5, 3e30, 1e300]
    array = np.array(chance.choices(values, k=math.prod(shape))).reshape(shape)
    for data in (array.tolist(), array.ravel().tolist()):
        found = from_json(Numbers(json.dumps(data).encode()), datatype, shape)
        np.testing.assert_array_equal(found, from_json(data, datatype, shape))
        assert found.dtype == from_json(data, datatype, shape).dtype


def test_however_deep_a_list_is_it_costs_nothing() -> None:
    """The time to see its shape would grow with the square of its depth."""
    assert Numbers(1_000_000 * b"[" + b"1" + 1_000_000 * b"]").shape is None


def test_a_list_of_many_pieces_is_whole() -> None:
    written = json.dumps(list(range(200_000))).encode()
    assert from_json(Numbers(written), "INT32", [200_000]).tolist() == list(range(200_000))
    assert sum(1 for _ in Numbers(written).pieces()) > 10


@pytest.mark.parametrize(
    ("text", "datatype", "message"),
    [
        ("[1, 2, 3]", "UINT8", "3 elements for the shape [2]; send 2 elements"),
        ("[1, ]", "UINT8", "a comma too many"),
        ("[1,, 2]", "UINT8", "3 elements"),
        ("[1 2, 3]", "UINT8", "no number in JSON"),
        ("[01, 2]", "UINT8", "no number in JSON"),
        ("[1., 2]", "FP32", "no number in JSON"),
        ("[-, 2]", "FP32", "no number in JSON"),
        ("[[1, 2]3]", "UINT8", "no number in JSON"),
        ("[3[1, 2]]", "UINT8", "no number in JSON"),
        ("[1, 256]", "UINT8", "an element lies outside UINT8"),
        ("[-1, 2]", "UINT8", "an element lies outside UINT8"),
        ("[1, 18446744073709551615]", "INT64", "an element lies outside INT64"),
        ("[1, 2.0]", "UINT8", "another kind: float; send whole numbers"),
        ("[1, 0]", "BOOL", "another kind: int; send true and false"),
        ("[1, 2]", "BYTES", "another kind: int; send strings"),
        ("[[1], 2]", "UINT8", "nested unevenly; send it flat"),
        ("[[1, 2], [3, 4]]", "UINT8", "nested as [2, 2] and the shape is [2]; nest it alike"),
    ],
)
def test_what_is_no_such_array_is_refused_with_a_remedy(text: str, datatype: str, message: str) -> None:
    with pytest.raises(InvalidTensorError) as refusal:
        from_json(Numbers(text.encode()), datatype, [2])
    assert message in str(refusal.value)


def test_a_comma_behind_the_last_piece_is_one_too_many() -> None:
    written = json.dumps([7] * 100_000).encode()
    with pytest.raises(InvalidTensorError, match="a comma too many"):
        from_json(Numbers(written[:-1] + b",]"), "UINT8", [100_001])
