"""Every sum in a table is worked out here by Python and must give the size, the parameters or the MACs beside it."""

import re
from collections.abc import Callable
from functools import partial
from math import ceil, floor
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from service.inspection.shapes.layer_shapes import layer_shapes
from service.inspection.shapes.layer_table import LayerRow
from tests.networks import Values, alexnet, image_to_image, keras_example_1, network, own_export
from tests.service.inspection.shapes.test_layer_shapes import LIGHT


def value(text: str) -> tuple[int, int]:
    """What the left side of a sum evaluates to, and what its right side says."""
    left, _, right = text.partition(" = ")
    said = re.match(r"[\d,]+", right)
    assert said, text
    return eval(left, {"floor": floor, "ceil": ceil}), int(said[0].replace(",", ""))  # noqa: S307 - our own text


def only(op_type: str, shape: tuple[int, ...], *more: str, values: Values | None = None, **attributes: Any) -> LayerRow:
    """The row of a network of this one operator, whose further inputs are `more`."""
    inputs = {"image": shape} | {name: (1, 8, 6, 6) for name in more if name not in (values or {}) and name}
    outputs = attributes.pop("outputs", ["out"])
    node = helper.make_node(op_type, ["image", *more], outputs, **attributes)
    (row,) = layer_shapes(network([node], inputs, outputs, values=values)).layers
    return row


def sliced(size: int, *, start: int, end: int, step: int = 1) -> LayerRow:
    numbers = {"start": integers(start), "end": integers(end), "axis": integers(-1), "step": integers(step)}
    return only("Slice", (1, 3, size, size), *numbers, values=numbers)


def integers(*numbers: int) -> np.ndarray[Any, Any]:
    return np.array(numbers, np.int64)


NETWORKS: dict[str, Callable[[], onnx.ModelProto]] = {
    "alexnet": alexnet,
    "alexnet in two towers": lambda: alexnet(227, (0, 0, 0, 0), groups=2),
    "keras 1": keras_example_1,
    "own export": own_export,
    "image to image": image_to_image,
    **{path.stem: partial(onnx.load, path) for path in LIGHT.glob("light_*.onnx")},
}


@pytest.mark.parametrize("name", sorted(NETWORKS))
@pytest.mark.parametrize("batch", [None, 3])
def test_every_sum_gives_what_it_says_and_what_the_row_says(name: str, batch: int | None) -> None:
    model = NETWORKS[name]()
    fixed = model.graph.input[0].type.tensor_type.shape.dim[0].HasField("dim_value")
    for row in layer_shapes(model, batch=None if fixed else batch).layers:
        for formula in row.formula:
            if " = " in formula:
                left, right = value(formula)
                assert left == right, (row.id, formula)
        for text, number in ((row.parameters_formula, row.parameters), (row.macs_formula, row.macs)):
            assert value(text) == (number, number) if text else not number, (row.id, text)


@pytest.mark.parametrize(
    ("row", "formula"),
    [
        (only("Concat", (1, 8, 6, 6), "b", "b", axis=1), ()),  # a tensor twice and another once: nobody can tell
        (only("Concat", (1, 3, 6, 6), "b", axis=1), ("3 + 8 = 11",)),
        (only("Concat", (1, 3, 6, 6), "b", "c", "d", "e", axis=-3), ("3 + 4*8 = 35",)),
        (only("Concat", (1, 8, 6, 6), "image", axis=2), ("2*6 = 12",)),
        (only("Pad", (1, 3, 224, 224), "p", values={"p": integers(0, 0, 1, 0, 0, 0, 2, -4)}),
         ("224 + 1 + 2 = 227", "224 - 4 = 220")),
        (only("Pad", (1, 3, 9, 9), "p", "", "a", values={"p": integers(1, 2), "a": integers(-1)}), ("9 + 1 + 2 = 12",)),
        (only("Resize", (1, 3, 13, 13), "", "s", values={"s": np.array([1, 1, 2, 1.5], np.float32)}),
         ("floor(13*2) = 26", "floor(13*3/2) = 19")),
        (only("Resize", (1, 3, 13, 13), "", "", "s", values={"s": integers(1, 3, 26, 13)}), ("13 -> 26",)),
        (only("Resize", (1, 3, 3, 3), "", "s", values={"s": np.array([1, 1, 5 / 3, 1], np.float32)}),
         ("floor(3*5/3) = 5",)),
        (sliced(27, start=1, end=2**62), ("27 - 1 = 26",)),
        (sliced(55, start=0, end=-1, step=2), ("ceil((54 - 0)/2) = 27",)),
        (sliced(9, start=0, end=9), ()),
        (only("Split", (1, 12, 6, 6), outputs=["x", "y", "z"], num_outputs=3, axis=1), ("12/3 = 4",)),
        (only("Split", (1, 12, 6, 6), "s", outputs=["x", "y"], axis=1, values={"s": integers(5, 7)}), ("12 - 7 = 5",)),
        (only("DepthToSpace", (1, 12, 6, 5), blocksize=2), ("12/(2*2) = 3", "6*2 = 12", "5*2 = 10")),
        (only("SpaceToDepth", (1, 3, 6, 4), blocksize=2), ("3*2*2 = 12", "6/2 = 3", "4/2 = 2")),
        (only("Mul", (1, 8, 1, 1), "b"), ("1*6 = 6",)),
        (only("Add", (1, 8, 6, 6), "b"), ()),
        (only("GlobalMaxPool", (1, 8, 7, 5)), ("floor((7 - 7)/1) + 1 = 1", "floor((5 - 5)/1) + 1 = 1")),
        (only("ReduceMean", (1, 8, 7, 7), "a", values={"a": integers(-1, -2)}), ("floor((7 - 7)/1) + 1 = 1",)),
        (only("ReduceMean", (2, 8, 7, 5), "a", keepdims=0, values={"a": integers(2, 3)}), ("8*7*5/(7*5) = 8",)),
        (only("ReduceMax", (2, 8, 7, 5), "a", keepdims=0, values={"a": integers(1)}), ("8*7*5/(8) = 35",)),
        (only("Transpose", (1, 32, 24, 3), perm=[0, 3, 1, 2]), ("32x24x3 -> 3x32x24",)),
        (only("Reshape", (1, 8, 6, 6), "s", values={"s": integers(1, 2, 4, 6, 6)}), ("8 -> 2*4",)),
        (only("Reshape", (1, 8, 6, 6), "s", values={"s": integers(1, 8, 36)}), ("6*6 = 36",)),
        (only("Unsqueeze", (1, 8, 6, 6), "a", values={"a": integers(0)}), ()),
        (only("Tile", (1, 3, 7, 7), "r", values={"r": integers(1, 1, 2, 1)}), ("7*2 = 14",)),
        (only("MatMul", (1, 8, 4, 6), "b"), ("4x6, 6x6 -> 4x6",)),
    ],
)  # fmt: skip
def test_each_kind_says_the_sum_of_its_size(row: LayerRow, formula: tuple[str, ...]) -> None:
    assert row.formula == formula
    assert row.output_shape is not None
    sums = [value(text) for text in formula if " = " in text]
    assert all(left == right for left, right in sums)


def test_a_grouped_convolution_says_that_each_filter_sees_only_its_group() -> None:
    rows = {row.id: row for row in layer_shapes(alexnet(227, (0, 0, 0, 0), groups=2)).layers}
    assert rows["conv2"].parameters_formula == "256*(96/2)*5*5 + 256 = 307,456"
    assert rows["conv2"].macs_formula == "27*27*256*(96/2)*5*5 = 223,948,800"
    assert rows["fc6"].parameters_formula == "4096*9216 + 4096 = 37,752,832"
