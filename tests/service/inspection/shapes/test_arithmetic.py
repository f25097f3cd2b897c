"""The arithmetic against itself (the text evaluates to the size), ONNX shape inference and ONNX Runtime."""

import re
from fractions import Fraction
from math import ceil, floor
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx.shape_inference import infer_shapes

from service.errors import InvalidParameterError
from service.inspection.shapes.arithmetic import (
    AutoPad,
    TransposedWindow,
    Window,
    batch_norm_parameters,
    conv_macs,
    conv_parameters,
    dense_macs,
    dense_parameters,
    transposed_conv_macs,
    transposed_conv_parameters,
    transposed_formula,
    transposed_padding,
    transposed_size,
    window_formula,
    window_padding,
    window_size,
)
from service.inspection.shapes.receptive_field import PIXEL, joined, through_transposed_window, through_window
from tests.networks import network

_AUTO_PADS: tuple[AutoPad, ...] = ("NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
_POOLS = ("MaxPool", "AveragePool", "LpPool")


@st.composite
def windows(draw: st.DrawFn) -> Window:
    kernel, dilation = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    # Runtimes refuse padding of a whole kernel or more.
    padding = (draw(st.integers(0, kernel - 1)), draw(st.integers(0, kernel - 1)))
    return Window(
        kernel, draw(st.integers(1, 4)), padding, dilation, draw(st.sampled_from(_AUTO_PADS)), draw(st.booleans())
    )


@st.composite
def transposed_windows(draw: st.DrawFn) -> TransposedWindow:
    kernel, stride = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    padding = (draw(st.integers(0, kernel - 1)), draw(st.integers(0, kernel - 1)))
    extra = draw(st.integers(0, stride - 1))
    return TransposedWindow(kernel, stride, padding, draw(st.integers(1, 3)), draw(st.sampled_from(_AUTO_PADS)), extra)


def evaluated(formula: str) -> int:
    """The sum on the left of ` = `, with the k' of a dilation checked on the way."""
    for left, right in re.findall(r"k' = (\S+) = (\d+)", formula):
        assert eval(left) == int(right)  # noqa: S307 - a formula made here
    names = {"floor": floor, "ceil": ceil, "__builtins__": {}}
    return int(eval(formula.split(" = ", 1)[0], names))  # noqa: S307 - as above


def stated(formula: str) -> int:
    found = re.search(r" = (-?\d+)", formula)
    assert found
    return int(found[1])


def pooling(op_type: str, size: int, window: Window) -> onnx.ModelProto:
    attributes: dict[str, Any] = {
        "kernel_shape": [window.kernel],
        "strides": [window.stride],
        "dilations": [window.dilation],
    }
    if window.auto_pad == "NOTSET":
        attributes["pads"] = list(window.padding)
    attributes |= {"ceil_mode": 1} if window.ceil_mode else {}
    node = helper.make_node(op_type, ["x"], ["y"], auto_pad=window.auto_pad, **attributes)
    return network([node], {"x": (1, 1, size)}, ["y"], opsets={"": 22})


def convolution(op_type: str, size: int, window: Window | TransposedWindow) -> onnx.ModelProto:
    attributes: dict[str, Any] = {"strides": [window.stride], "dilations": [window.dilation]}
    if window.auto_pad == "NOTSET":
        attributes["pads"] = list(window.padding)
    if isinstance(window, TransposedWindow):
        attributes["output_padding"] = [window.output_padding]
    node = helper.make_node(op_type, ["x", "w"], ["y"], auto_pad=window.auto_pad, **attributes)
    return network([node], {"x": (1, 1, size)}, ["y"], weights={"w": (1, 1, window.kernel)})


def inferred(model: onnx.ModelProto) -> int:
    return int(infer_shapes(model, strict_mode=True).graph.output[0].type.tensor_type.shape.dim[2].dim_value)


def run(model: onnx.ModelProto, size: int) -> int:
    return int(values(model, size).shape[2])


def values(model: onnx.ModelProto, size: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """What the runtime makes of 1, 2, 3, ..."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = session.run(
        None, {"x": np.arange(1, size + 1, dtype=np.float32).reshape(1, 1, size)}
    )[0]
    return found


@given(st.integers(1, 300), windows())
def test_the_text_of_a_window_evaluates_to_its_size(size: int, window: Window) -> None:
    formula = window_formula(size, window)
    assert evaluated(formula) == stated(formula) == window_size(size, window)


@given(st.integers(1, 300), transposed_windows(), st.none() | st.integers(1, 400))
def test_the_text_of_a_transposed_window_evaluates_to_its_size(
    size: int, window: TransposedWindow, asked: int | None
) -> None:
    window = TransposedWindow(**(vars(window) | {"output_size": asked}))
    formula = transposed_formula(size, window)
    assert evaluated(formula) == stated(formula) == transposed_size(size, window)
    assert asked is None or transposed_size(size, window) == asked


@given(st.integers(1, 40), windows(), st.sampled_from(_POOLS))
def test_a_pool_has_the_size_that_onnx_infers(size: int, window: Window, op_type: str) -> None:
    assume(window_size(size, window) > 0)
    assert window_size(size, window) == inferred(pooling(op_type, size, window))


@given(st.integers(1, 40), windows())
def test_a_convolution_has_the_size_that_onnx_infers(size: int, window: Window) -> None:
    window = Window(**(vars(window) | {"ceil_mode": False}))
    assume(window_size(size, window) > 0)
    assert window_size(size, window) == inferred(convolution("Conv", size, window))


@given(st.integers(1, 40), transposed_windows())
def test_a_transposed_convolution_has_the_size_that_onnx_infers(size: int, window: TransposedWindow) -> None:
    # Inference's own corner: with SAME the operator makes stride * size outputs, whatever the output padding.
    assume(not (window.auto_pad.startswith("SAME") and window.output_padding))
    assume(transposed_size(size, window) > 0)
    assert transposed_size(size, window) == inferred(convolution("ConvTranspose", size, window))


@settings(max_examples=60)
@given(st.integers(1, 40), windows(), st.sampled_from(("Conv", *_POOLS)))
def test_a_window_has_the_size_that_the_runtime_computes(size: int, window: Window, op_type: str) -> None:
    # The runtime's own corners: SAME ignores or refuses dilation, and refuses a stride beyond the kernel.
    same = window.auto_pad.startswith("SAME")
    assume(not (same and (window.dilation > 1 or window.stride > window.kernel)))
    if op_type == "Conv":
        window = Window(**(vars(window) | {"ceil_mode": False}))
    assume(window_size(size, window) > 0)
    model = convolution(op_type, size, window) if op_type == "Conv" else pooling(op_type, size, window)
    assert window_size(size, window) == run(model, size)


@settings(max_examples=40)
@given(st.integers(1, 40), transposed_windows())
def test_a_transposed_convolution_has_the_size_that_the_runtime_computes(size: int, window: TransposedWindow) -> None:
    assume(transposed_size(size, window) > 0)
    assert transposed_size(size, window) == run(convolution("ConvTranspose", size, window), size)


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER"])
def test_auto_pad_puts_the_odd_zero_where_the_runtime_puts_it(auto_pad: AutoPad) -> None:
    automatic = Window(4, auto_pad=auto_pad)
    same = Window(4, padding=window_padding(6, automatic))
    expected, computed = (values(convolution("Conv", 6, each), 6) for each in (automatic, same))
    np.testing.assert_array_equal(computed, expected)


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER"])
def test_auto_pad_cuts_the_odd_output_off_where_the_runtime_cuts_it(auto_pad: AutoPad) -> None:
    automatic = TransposedWindow(4, auto_pad=auto_pad)
    same = TransposedWindow(4, padding=transposed_padding(6, automatic))
    expected, computed = (values(convolution("ConvTranspose", 6, each), 6) for each in (automatic, same))
    np.testing.assert_array_equal(computed, expected)


@pytest.mark.parametrize(
    ("size", "window", "formula"),
    [
        (27, Window(5, padding=(2, 2)), "floor((27 + 2*2 - 5)/1) + 1 = 27"),
        (224, Window(11, 4, (1, 2)), "floor((224 + 1 + 2 - 11)/4) + 1 = 55"),
        (28, Window(3, 1, (2, 2), 2), "floor((28 + 2*2 - 5)/1) + 1 = 28 (k' = 2*(3-1)+1 = 5)"),
        (224, Window(7, 2, (3, 3)), "floor((224 + 2*3 - 7)/2) + 1 = 112; remainder 1: only padding is not read"),
        (13, Window(2, 2), "floor((13 - 2)/2) + 1 = 6; remainder 1: the last row or column is not read"),
        (14, Window(3, 4), "floor((14 - 3)/4) + 1 = 3; remainder 3: the last 3 are not read"),
        (32, Window(3, auto_pad="SAME_UPPER"), "floor((32 + 2*1 - 3)/1) + 1 = 32 (SAME_UPPER)"),
        (12, Window(3, 2, ceil_mode=True), "ceil((12 - 3)/2) + 1 = 6"),
        (
            5,
            Window(2, 3, (1, 1), ceil_mode=True),
            "ceil((5 + 2*1 - 2)/3) + 1 - 1 = 2 (the last window would start in the padding)",
        ),
    ],
)
def test_the_text_says_what_padding_dilation_and_rounding_did(size: int, window: Window, formula: str) -> None:
    assert window_formula(size, window) == formula


@pytest.mark.parametrize(
    ("window", "formula"),
    [
        (TransposedWindow(3, 2, (1, 1)), "2*(13 - 1) + 3 - 2*1 = 25"),
        (TransposedWindow(3, 2, (1, 1), output_padding=1), "2*(13 - 1) + 3 + 1 - 2*1 = 26"),
        (TransposedWindow(3, 2, output_size=26), "2*(13 - 1) + 3 - 1 = 26 (output_shape)"),
    ],
)
def test_the_text_of_a_transposed_convolution_multiplies_first(window: TransposedWindow, formula: str) -> None:
    assert transposed_formula(13, window) == formula


@pytest.mark.parametrize(
    ("size", "window", "output"),
    [
        (4, Window(2), 3),
        (6, Window(3), 4),
        (32, Window(5), 28),
        (4, Window(2, padding=(2, 2)), 7),
        (4, Window(2, 2), 2),
        (4, Window(2, 1, (1, 1)), 5),
    ],
)
def test_the_worked_sizes_of_the_notes_hold(size: int, window: Window, output: int) -> None:
    assert window_size(size, window) == output


def test_a_window_that_does_not_fit_has_a_size_below_one() -> None:
    assert window_formula(3, Window(5)) == "floor((3 - 5)/1) + 1 = -1"


@pytest.mark.parametrize("number", ["kernel", "stride", "dilation"])
def test_a_window_of_nothing_is_refused_by_name(number: str) -> None:
    with pytest.raises(InvalidParameterError, match=f"^{number}=0 cannot be used; it must be at least 1$"):
        Window(**{"kernel": 3, number: 0})  # type: ignore[arg-type]  # one name of several


def test_parameters_and_macs_of_the_notes_hold() -> None:
    assert conv_parameters(1, 1, (5, 5), bias=True) == 25 + 1
    assert conv_parameters(3, 4, (5, 5), bias=True) == 4 * (75 + 1)
    assert dense_parameters(200 * 200, 1000, bias=False) == dense_macs(200 * 200, 1000) == 40_000_000
    assert conv_parameters(96, 256, (5, 5), groups=2, bias=True) == 307_456
    assert conv_macs(96, 256, (5, 5), (27, 27), groups=2) == 223_948_800
    assert batch_norm_parameters(64) == 128


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4), st.integers(1, 6))
def test_a_transposed_convolution_costs_what_the_convolution_it_turns_round_costs(
    groups: int, wide: int, narrow: int, size: int
) -> None:
    into, out, kernel = wide * groups, narrow * groups, (3, 2)
    assert transposed_conv_parameters(into, out, kernel, groups, bias=False) == conv_parameters(
        out, into, kernel, groups, bias=False
    )
    assert transposed_conv_macs(into, out, kernel, (size, size), groups) == conv_macs(
        out, into, kernel, (size, size), groups
    )


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(0, 2)), max_size=6))
def test_a_receptive_field_grows_by_the_kernel_times_the_jump(steps: list[tuple[int, int, int]]) -> None:
    field, size, jump = PIXEL, 1, 1
    for extent, stride, padding in steps:
        field = through_window(field, extent, stride, padding)
        size, jump = size + (extent - 1) * jump, jump * stride
    assert (field.size, field.jump, field.exact) == (size, Fraction(jump), True)


def test_paths_of_different_steps_have_no_common_field() -> None:
    assert joined([PIXEL, through_window(PIXEL, 3, 2, 1)]) is None
    wide = joined([PIXEL, through_window(PIXEL, 5, 1, 2)])
    assert wide is not None
    assert (wide.size, wide.centre) == (5, Fraction(0))


def test_a_transposed_convolution_sees_at_most_the_hull_of_its_phases() -> None:
    field = through_transposed_window(PIXEL, 4, 2, 1)
    assert (field.size, field.jump, field.exact) == (2, Fraction(1, 2), False)


def test_the_test_networks_are_sound() -> None:
    model = network([helper.make_node("Relu", ["x"], ["y"])], {"x": (1,)}, ["y"])
    onnx.checker.check_model(model, full_check=True)
    assert model.graph.input[0].type.tensor_type.elem_type == TensorProto.FLOAT
