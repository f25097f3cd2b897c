"""Sizes and views that ONNX's own shape inference gets wrong or gives up on, each as small as it can be."""

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from service.inspection.shapes.layer_shapes import layer_shapes
from service.inspection.shapes.layer_table import LayerRow
from tests.networks import Shape, Values, network

SHAPE = (1, 3, 12, 13)


def rows(nodes: list[onnx.NodeProto], values: Values | None = None, *, opset: int = 17) -> list[LayerRow]:
    """Of a network that ONNX Runtime runs too: the shapes are compared right here."""
    return rows_of(network(nodes, {"x": SHAPE}, ["y"], values=values, opsets={"": opset}))


def rows_of(model: onnx.ModelProto, shape: Shape = SHAPE) -> list[LayerRow]:
    found = list(layer_shapes(model).layers)
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    del exposed.graph.output[:]
    exposed.graph.output.extend(onnx.ValueInfoProto(name=row.tensor) for row in found)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(exposed.SerializeToString(), options, providers=["CPUExecutionProvider"])
    arrays = session.run(None, {"x": np.zeros([size or 1 for size in shape if not isinstance(size, str)], np.float32)})
    assert [row.output_shape for row in found] == [array.shape for array in arrays]
    return found


def node(op_type: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op_type, inputs, [output], **attributes)


@pytest.mark.parametrize("op_type", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("opset", [11, 17, 22])
def test_a_last_window_that_lies_in_the_padding_alone_is_not_counted(op_type: str, opset: int) -> None:
    window: dict[str, Any] = {"kernel_shape": [2, 2], "pads": [0, 0, 1, 1], "strides": [3, 3], "ceil_mode": 1}
    pool, relu = rows([node(op_type, ["x"], "pool", **window), node("Relu", ["pool"], "y")], opset=opset)
    assert pool.output_shape == relu.output_shape == (1, 3, 4, 5)
    assert [formula.count("start in the padding") for formula in pool.formula] == [1, 0]


def test_two_pools_that_round_up_one_after_the_other_are_both_right() -> None:
    window: dict[str, Any] = {"kernel_shape": [2, 2], "pads": [0, 0, 1, 1], "strides": [3, 3], "ceil_mode": 1}
    nodes = [node("MaxPool", ["x"], "first", **window), node("MaxPool", ["first"], "y", **window)]
    assert [row.output_shape for row in rows(nodes)] == [(1, 3, 4, 5), (1, 3, 2, 2)]


@pytest.mark.parametrize("asked", [[25, 26], [24, 25], [23, 27]])
@pytest.mark.parametrize("channels", [2, 20])  # inference sees small weights and large ones in different ways
def test_a_transposed_convolution_may_state_its_outputs_size(asked: list[int], channels: int) -> None:
    weight = np.ones((3, channels, 3, 3), np.float32)
    nodes = [node("ConvTranspose", ["x", "weight"], "y", strides=[2, 2], output_shape=asked)]
    assert rows(nodes, {"weight": weight})[0].output_shape == (1, channels, *asked)


@pytest.mark.parametrize("automatic", ["SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET"])
@pytest.mark.parametrize(("kernel", "stride", "extra"), [(3, 2, 1), (2, 3, 2), (3, 3, 1), (1, 2, 0)])
def test_a_transposed_convolution_that_pads_itself_is_as_large_as_the_runtimes(
    automatic: str, kernel: int, stride: int, extra: int
) -> None:
    weight = np.ones((3, 2, kernel, kernel), np.float32)
    attributes = {"strides": [stride] * 2, "output_padding": [extra] * 2, "auto_pad": automatic}
    conv, relu = rows([node("ConvTranspose", ["x", "weight"], "up", **attributes), node("Relu", ["up"], "y")],
                      {"weight": weight})  # fmt: skip
    assert conv.output_shape == relu.output_shape
    assert f" = {(conv.output_shape or ())[2]}" in conv.formula[0]


@pytest.mark.parametrize(("opset", "scales"), [(18, 2), (21, 6), (22, 6)])  # one scale a group, later one a channel
def test_a_group_normalisation_keeps_the_size_and_sees_the_whole_map(opset: int, scales: int) -> None:
    nodes = [
        node("Conv", ["x", "weight"], "conv"),
        node("GroupNormalization", ["conv", "scale", "bias"], "norm", num_groups=2),
        node("Relu", ["norm"], "y"),
    ]
    values: Values = {
        "weight": np.ones((6, 3, 3, 3), np.float32),
        "scale": np.ones(scales, np.float32),
        "bias": np.zeros(scales, np.float32),
    }
    _, norm, relu = rows(nodes, values, opset=opset)
    assert (norm.kind, norm.output_shape, norm.parameters) == ("group_norm", (1, 6, 10, 11), 2 * scales)
    assert relu.receptive_field
    assert relu.receptive_field.status == "whole_image"


@pytest.mark.parametrize(
    ("axes", "size", "status"), [(None, (12, 13), "whole_image"), ([0, 2, 3], (12, 13), "whole_image"),
                                 ([1], (1, 1), "exact"), ([0, -1], (1, 13), "exact")]
)  # fmt: skip
def test_a_normalisation_by_mean_and_variance_keeps_the_size(
    axes: list[int] | None, size: tuple[int, int], status: str
) -> None:
    stated = {} if axes is None else {"axes": axes}
    norm, relu = rows([node("MeanVarianceNormalization", ["x"], "norm", **stated), node("Relu", ["norm"], "y")])
    assert norm.output_shape == SHAPE
    assert relu.receptive_field
    assert (relu.receptive_field.size, relu.receptive_field.status) == (size, status)


def test_an_rms_normalisation_of_the_standard_is_called_as_the_one_of_several_nodes() -> None:
    (norm,) = rows([node("RMSNormalization", ["x", "scale"], "y")], {"scale": np.ones(13, np.float32)}, opset=23)
    assert (norm.kind, norm.reason) == ("rms_norm", None)
    assert norm.receptive_field
    assert norm.receptive_field.size == (1, 13)


@pytest.mark.parametrize("dtype", [np.int8, np.uint16])
def test_onnx_runtimes_own_quantisation_is_that_of_the_standard(dtype: type[np.generic]) -> None:
    both = [
        helper.make_node(op_type, [before, "step", "zero"], [after], domain="com.microsoft")
        for op_type, before, after in (("QuantizeLinear", "x", "codes"), ("DequantizeLinear", "codes", "values"))
    ]
    values: Values = {"step": np.array(0.1, np.float32), "zero": np.array(0, dtype)}
    model = network(
        [*both, node("Relu", ["values"], "y")], {"x": SHAPE}, ["y"], values=values, opsets={"": 17, "com.microsoft": 1}
    )
    found = rows_of(model)
    assert [row.kind for row in found] == ["quantize_linear", "dequantize_linear", "relu"]
    assert [row.stage for row in found] == ["quantization", "quantization", "network"]
    assert [row.macs for row in found] == [0, 0, 0]


def test_of_another_domains_operator_nobody_says_that_it_is_a_standard_one() -> None:
    nodes = [helper.make_node("LayerNormalization", ["x"], ["y"], domain="of.somebody")]
    model = network(nodes, {"x": SHAPE}, ["y"], opsets={"": 17, "of.somebody": 1})
    (row,) = layer_shapes(model).layers
    assert row.reason == "'LayerNormalization' is not a standard operator, and the file states no shape for it"


@pytest.mark.parametrize("kernel", [[2, 1], [12, 13]])
def test_an_unpooling_is_no_window_over_its_input(kernel: list[int]) -> None:
    window: dict[str, Any] = {"kernel_shape": kernel, "strides": kernel}
    nodes = [
        helper.make_node("MaxPool", ["x"], ["pool", "places"], **window),
        node("MaxUnpool", ["pool", "places"], "unpool", **window),
        node("Relu", ["unpool"], "y"),
    ]
    _, unpool, relu = rows(nodes)
    assert (unpool.reason, relu.reason, unpool.formula) == (None, None, ())
    assert unpool.receptive_field is None


def test_widths_of_a_padding_that_the_graph_computes_are_evaluated() -> None:
    """As PyTorch's earlier exporter writes F.pad: innermost axis first, filled up with zeros, turned round."""
    nodes = [
        node("ConstantOfShape", ["missing"], "zeros", value=helper.make_tensor("zero", TensorProto.INT64, [1], [0])),
        node("Concat", ["widths", "zeros"], "all", axis=0),
        node("Reshape", ["all", "pairs"], "as_pairs"),
        node("Slice", ["as_pairs", "last", "beginning", "first_axis", "backwards"], "turned"),
        node("Transpose", ["turned"], "columns", perm=[1, 0]),
        node("Reshape", ["columns", "flat"], "pads"),
        node("Pad", ["x", "pads"], "y"),
    ]
    numbers = {
        "missing": [6], "widths": [1, 2], "pairs": [-1, 2], "last": [-1], "beginning": [-(2**63)], "first_axis": [0],
        "backwards": [-1], "flat": [-1],
    }  # fmt: skip
    (pad,) = rows(nodes, {name: np.array(each, np.int64) for name, each in numbers.items()})
    assert pad.output_shape == (1, 3, 12, 16)


def test_the_branch_that_a_condition_on_sizes_takes_is_the_one_with_a_shape() -> None:
    """As PyTorch's earlier exporter writes squeeze: it asks whether the axis is one long."""
    shape = (1, 1, 12, 13)
    branches = {
        f"{which}_branch": helper.make_graph([inner], which, [], [onnx.ValueInfoProto(name=which)])
        for which, inner in (
            ("then", node("Squeeze", ["x", "axis"], "then")),
            ("else", node("Identity", ["x"], "else")),
        )
    }  # fmt: skip
    nodes = [
        node("Shape", ["x"], "sizes"),
        node("Gather", ["sizes", "axis"], "size"),
        node("Equal", ["size", "axis"], "alone"),
        node("If", ["alone"], "branch", **branches),
        node("Relu", ["branch"], "y"),
    ]
    model = network(nodes, {"x": shape}, ["y"], values={"axis": np.array([1], np.int64)}, opsets={"": 17})
    assert rows_of(model, shape)[-1].output_shape == (1, 12, 13)


def test_what_a_hostile_file_asks_for_is_not_computed() -> None:
    nodes = [node("Range", ["zero", "many", "one"], "sizes"), node("Expand", ["x", "sizes"], "y")]
    values = {name: np.array(each, np.int64) for name, each in (("zero", 0), ("many", 2**40), ("one", 1))}
    (row,) = layer_shapes(network(nodes, {"x": SHAPE}, ["y"], values=values, opsets={"": 17})).layers
    assert row.output_shape is None or None in row.output_shape
    assert row.reason


# --- views


def test_a_crop_moves_the_view_and_a_step_widens_its_grid() -> None:
    numbers = {"starts": [2, -5], "ends": [2**31, 2**31], "axes": [2, 3], "steps": [1, 2]}
    values = {name: np.array(each, np.int64) for name, each in numbers.items()}
    (row,) = rows([node("Slice", ["x", *numbers], "y")], values)
    assert row.receptive_field
    assert (row.receptive_field.status, row.receptive_field.size) == ("exact", (1, 1))
    assert (row.receptive_field.centre, row.receptive_field.jump) == ((2, 8), (1, 2))


@pytest.mark.parametrize(("mode", "most"), [("constant", 1), ("edge", 3), ("reflect", 5)])
def test_padding_that_repeats_pixels_lets_units_at_the_border_see_further(mode: str, most: int) -> None:
    (row,) = rows([node("Pad", ["x", "pads"], "y", mode=mode)], {"pads": np.array([0, 0, 2, 0, 0, 0, 0, 0], np.int64)})
    assert row.receptive_field
    assert row.receptive_field.size == (most, 1)
    assert row.receptive_field.status == ("exact" if mode == "constant" else "upper_bound")


def test_a_convolution_of_what_sees_the_whole_image_sees_the_whole_image() -> None:
    """The gate of a squeeze-and-excitation block, and what it multiplies."""
    nodes = [
        node("ReduceMean", ["x"], "squeezed", axes=[2, 3]),
        node("Conv", ["squeezed", "weight"], "excited"),
        node("Sigmoid", ["excited"], "gate"),
        node("Mul", ["x", "gate"], "y"),
    ]
    found = rows(nodes, {"weight": np.ones((3, 3, 1, 1), np.float32)})
    assert {row.receptive_field.status for row in found if row.receptive_field} == {"whole_image"}


def test_a_reshape_that_moves_one_channel_forward_keeps_height_and_width() -> None:
    """Keras with a single channel: the exporter writes the transposition as a reshape."""
    nodes = [node("Reshape", ["x", "shape"], "planes"), node("Conv", ["planes", "weight"], "y", pads=[1] * 4)]
    values: Values = {"shape": np.array([-1, 1, 9, 7], np.int64), "weight": np.ones((2, 1, 3, 3), np.float32)}
    model = network(nodes, {"x": ("batch", 9, 7, 1)}, ["y"], values=values)
    conv = rows_of(model, (1, 9, 7, 1))[-1]
    assert conv.receptive_field
    assert conv.receptive_field.size == (3, 3)
