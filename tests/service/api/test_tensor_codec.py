import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from service.api.tensor_codec import DATATYPES, datatype_of, from_binary, from_json, to_binary, to_json
from service.errors import InvalidTensorError

NUMBERS = [name for name in DATATYPES if name != "BYTES"]
SHAPES = arrays.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4)


@st.composite
def tensors(draw: st.DrawFn, datatypes: list[str]) -> tuple[str, np.ndarray]:
    datatype = draw(st.sampled_from(datatypes))
    dtype = DATATYPES[datatype]
    elements = arrays.from_dtype(dtype, allow_nan=False, allow_infinity=False)
    return datatype, draw(arrays.arrays(dtype, SHAPES, elements=elements))


def objects(*elements: bytes) -> np.ndarray:
    return np.array(elements, object)


@given(tensors(NUMBERS))
def test_what_goes_out_as_binary_comes_back(tensor: tuple[str, np.ndarray]) -> None:
    datatype, array = tensor
    back = from_binary(memoryview(to_binary(array)), datatype, array.shape)
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


@given(tensors([name for name in NUMBERS if name != "FP16"]))
def test_what_goes_out_as_json_comes_back_exactly_flat_or_nested(tensor: tuple[str, np.ndarray]) -> None:
    datatype, array = tensor
    for data in (to_json(array), array.tolist()):
        back = from_json(json.loads(json.dumps(data)), datatype, array.shape)
        assert back.dtype == array.dtype
        np.testing.assert_array_equal(back, array)


@given(st.lists(st.binary(max_size=9), max_size=5))
def test_byte_strings_come_back(elements: list[bytes]) -> None:
    array = np.array([*elements, None], object)[:-1]
    back = from_binary(memoryview(to_binary(array)), "BYTES", [len(elements)])
    assert back.tolist() == elements


def test_the_binary_form_is_little_endian_and_in_c_order() -> None:
    transposed = np.array([[1, 2], [3, 4]], ">f4").T
    assert to_binary(transposed) == struct.pack("<4f", 1, 3, 2, 4)
    assert to_binary(objects(b"ab", b"")) == b"\2\0\0\0ab\0\0\0\0"
    assert to_binary(np.array([True, False])) == b"\1\0"


def test_an_array_that_lies_unaligned_is_copied() -> None:
    body = memoryview(b"{" + struct.pack("<2f", 1, 2))
    found = from_binary(body[1:], "FP32", [2])
    assert found.flags.aligned
    assert found.tolist() == [1, 2]


def test_axes_of_size_one_may_be_left_out_of_the_nesting() -> None:
    assert from_json([[1, 2], [3, 4]], "UINT8", [1, 2, 2, 1]).shape == (1, 2, 2, 1)


def test_text_becomes_its_utf8_bytes_and_back() -> None:
    assert from_json([["é"], ["b"]], "BYTES", [2, 1]).tolist() == [["é".encode()], [b"b"]]
    assert to_json(objects("é".encode())) == ["é"]


def test_datatypes_have_their_numpy_names() -> None:
    assert [datatype_of(np.dtype(name)) for name in ("uint8", "float16", "float32")] == ["UINT8", "FP16", "FP32"]


@pytest.mark.parametrize(
    ("data", "datatype", "shape", "message"),
    [
        ([1, 2], "UINT8", [3], "2 elements for the shape [3]; send 3 elements"),
        ([[1, 2], [3, 4], [5, 6]], "UINT8", [2, 3], "nested as [3, 2] and the shape is [2, 3]; nest it alike"),
        ([[1], [2, 3]], "UINT8", [3], "nested evenly"),
        ([1, [2, 3]], "FP32", [3], "nested"),
        ([256], "UINT8", [1], "an element lies outside UINT8"),
        ([-1], "UINT8", [1], "an element lies outside UINT8"),
        ([10**400], "FP32", [1], "an element lies outside FP32"),
        ([1.5], "UINT8", [1], "another kind: float; send whole numbers"),
        ([True], "INT64", [1], "another kind: bool; send whole numbers"),
        ([None, 1.0], "FP32", [2], "another kind: null; send numbers"),
        (["1"], "FP32", [1], "another kind: str; send numbers"),
        ([1], "BYTES", [1], "another kind: int; send strings"),
        ([1.0], "FP16", [1], "FP16 has no JSON form; send it as binary data"),
        ([1.0], "BF16", [1], "datatype 'BF16' is not known; use one of: BOOL"),
        ([], "FP32", [10**30], "0 elements for the shape"),
    ],
)
def test_json_that_does_not_fit_is_refused_with_a_remedy(
    data: list[Any], datatype: str, shape: list[int], message: str
) -> None:
    with pytest.raises(InvalidTensorError) as refusal:
        from_json(data, datatype, shape)
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("data", "datatype", "shape", "message"),
    [
        (b"\0" * 7, "FP32", [2], "7 bytes for a FP32 tensor of shape [2]; send 8 bytes"),
        (b"\0" * 9, "FP32", [2], "send 8 bytes"),
        (b"", "UINT8", [10**30], "send 1,000,000"),
        (b"\5\0\0\0abc", "BYTES", [1], "do not add up to 1 elements"),
        (b"\1\0\0", "BYTES", [1], "do not add up"),
        (b"\1\0\0\0a\1\0\0\0b", "BYTES", [1], "do not add up to 1 elements"),
        (b"\1\0\0\0a", "BYTES", [2], "1 elements for the shape [2]; send 2 elements"),
        (b"\xff\xff\xff\xff", "BYTES", [10**30], "do not add up"),
    ],
)
def test_bytes_that_do_not_fit_are_refused_with_a_remedy(
    data: bytes, datatype: str, shape: list[int], message: str
) -> None:
    with pytest.raises(InvalidTensorError) as refusal:
        from_binary(memoryview(data), datatype, shape)
    assert message in str(refusal.value)


def test_one_long_text_among_many_does_not_set_the_memory_of_all() -> None:
    data: list[Any] = ["x" * 1_000_000] + [""] * 100_000  # as a NumPy text array: 400 GB
    with pytest.raises(InvalidTensorError, match="another kind: str"):
        from_json(data, "FP32", [len(data)])
