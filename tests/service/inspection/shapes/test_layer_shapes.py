import csv
import io
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper

from service.errors import InvalidParameterError
from service.inspection.shapes.layer_shapes import layer_shapes
from service.inspection.shapes.layer_table import LayerRow, LayerShapes
from service.inspection.table.tables import as_csv, as_markdown, as_text
from tests.networks import (
    Values,
    alexnet,
    chain,
    conv,
    dense,
    image_to_image,
    keras_example_1,
    keras_example_2,
    network,
    own_export,
    plain,
    pool,
)

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
ROOT = Path(__file__).parents[4]
HOSTILE = (ROOT / os.environ.get("FOVEA_DATA", "../shared/data") / "hostile-models").resolve()


def row(table: LayerShapes, name: str) -> LayerRow:
    return next(each for each in table.layers if name in (each.id, *each.aliases))


def light(name: str) -> onnx.ModelProto:
    return onnx.load(LIGHT / f"light_{name}.onnx")


@cache
def light_table(name: str) -> LayerShapes:
    return layer_shapes(light(name))


def computed_shapes(model: onnx.ModelProto, table: LayerShapes) -> dict[str, tuple[int, ...]]:
    """What ONNX Runtime really puts out for every layer: all their tensors made outputs, and run."""
    assert table.input_shape
    arrays = run(model, [each.tensor for each in table.layers], np.zeros(known(table.input_shape)))
    return {name: array.shape for name, array in arrays.items()}


def run(
    model: onnx.ModelProto, tensors: list[str], image: np.ndarray[tuple[int, ...], np.dtype[np.generic]]
) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    del exposed.graph.output[:]
    exposed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in tensors)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(exposed.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feed = session.get_inputs()[0]
    dtype = np.uint8 if feed.type == "tensor(uint8)" else np.float32
    return dict(zip(tensors, session.run(tensors, {feed.name: image.astype(dtype)}), strict=True))


def known(sizes: tuple[int | None, ...]) -> tuple[int, ...]:
    return tuple(size for size in sizes if size is not None)


def sizes_of(table: LayerShapes, kinds: set[str]) -> list[int | None]:
    return [each.output_shape[-1] for each in table.layers if each.kind in kinds and each.output_shape]


# --- equal to the runtime


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(alexnet(), id="alexnet"),
        pytest.param(keras_example_1(), id="keras 1"),
        pytest.param(keras_example_2(), id="keras 2"),
        pytest.param(own_export(), id="own export"),
        pytest.param(image_to_image(), id="image to image"),
        *(pytest.param(light(name), id=name) for name in ("squeezenet", "shufflenet")),
    ],
)
def test_the_table_has_the_shapes_that_the_runtime_computes(model: onnx.ModelProto) -> None:
    table = layer_shapes(model)
    assert {each.tensor: each.output_shape for each in table.layers} == computed_shapes(model, table)


def pooled(op_type: str, size: int, **attributes: Any) -> onnx.ModelProto:
    node = helper.make_node(op_type, ["image"], ["first"], **attributes)
    again = helper.make_node(op_type, ["first"], ["second"], **attributes)
    return network([node, again], {"image": (1, 1, size, size)}, ["second"])


@pytest.mark.parametrize("op_type", ["MaxPool", "AveragePool", "LpPool"])
@pytest.mark.parametrize("size", [9, 10, 11, 16])
@pytest.mark.parametrize(
    "attributes",
    [
        {"kernel_shape": [1, 1], "strides": [2, 2], "ceil_mode": 1},
        {"kernel_shape": [2, 2], "strides": [3, 3], "ceil_mode": 1, "pads": [1, 1, 1, 1]},
        {"kernel_shape": [3, 2], "strides": [2, 3], "ceil_mode": 1, "pads": [0, 1, 2, 0]},
        {"kernel_shape": [2, 3], "strides": [1, 2], "dilations": [2, 1], "auto_pad": "SAME_UPPER"},
        {"kernel_shape": [2, 2], "strides": [1, 1], "dilations": [1, 2], "auto_pad": "SAME_LOWER", "ceil_mode": 1},
    ],
    ids=str,
)  # fmt: skip
def test_a_pooling_has_the_runtimes_size_where_the_inference_has_another(
    op_type: str, size: int, attributes: dict[str, Any]
) -> None:
    model = pooled(op_type, size, **attributes)
    table = layer_shapes(model)
    assert {each.tensor: each.output_shape for each in table.layers} == computed_shapes(model, table)
    for each in table.layers:
        assert each.output_shape
        sizes = [int(match[1]) for formula in each.formula if (match := re.search(r" = (\d+)", formula))]
        assert set(sizes) == set(each.output_shape[2:])


@pytest.mark.parametrize("scale", [1.4, 7.1, 0.88461536, 2.9629629, 0.5, 3.0])
@pytest.mark.parametrize("size", [10, 26, 27, 35])
def test_a_resize_rounds_as_the_runtime_does(scale: float, size: int) -> None:
    values: Values = {"scales": np.array([1, 1, scale, 1], np.float32)}
    nodes = [helper.make_node("Resize", [before, "", "scales"], [after]) for before, after in ("xy", "yz")]
    model = network(nodes, {"x": (1, 1, size, 8)}, ["z"], values=values)
    table = layer_shapes(model)
    assert {each.tensor: each.output_shape for each in table.layers} == computed_shapes(model, table)


def test_another_batch_and_size_have_the_shapes_that_the_runtime_computes() -> None:
    model = own_export(size=None)
    table = layer_shapes(model, batch=3, height=37, width=20)
    assert table.input_shape == (3, 37, 20, 3)
    assert {each.tensor: each.output_shape for each in table.layers} == computed_shapes(model, table)


@pytest.mark.parametrize("name", sorted(path.stem.removeprefix("light_") for path in LIGHT.glob("light_*.onnx")))
def test_a_zoo_network_without_its_weights_has_a_whole_table(name: str) -> None:
    table = light_table(name)
    assert table.totals.unknown_layers == 0
    assert all(each.output_shape and each.receptive_field and each.macs is not None for each in table.layers)
    assert table.layers[-1].output_shape in ((1, 1000), (1, 1000, 1, 1))


# --- golden numbers


def test_alexnet_of_the_notes_flows_from_224_to_1000() -> None:
    table = layer_shapes(alexnet())
    assert sizes_of(table, {"conv", "max_pool", "flatten", "dense"}) == [
        55, 27, 27, 13, 13, 13, 13, 6, 9216, 4096, 4096, 1000,
    ]  # fmt: skip
    formulas = [each.formula for each in table.layers if each.formula]
    assert formulas[:3] == [
        ("floor((224 + 1 + 2 - 11)/4) + 1 = 55",),
        ("floor((55 - 3)/2) + 1 = 27",),
        ("floor((27 + 2*2 - 5)/1) + 1 = 27",),
    ]
    assert formulas[-4:] == [("256*6*6 = 9216",), ("9216 -> 4096",), ("4096 -> 4096",), ("4096 -> 1000",)]


def test_alexnet_with_two_towers_has_the_published_parameters_and_macs() -> None:
    table = layer_shapes(alexnet(227, (0, 0, 0, 0), groups=2))
    weighted = [each for each in table.layers if each.kind in ("conv", "dense")]
    assert [each.parameters for each in weighted] == [
        34_944, 307_456, 885_120, 663_936, 442_624, 37_752_832, 16_781_312, 4_097_000,
    ]  # fmt: skip
    assert [each.macs for each in weighted] == [
        105_415_200, 223_948_800, 149_520_384, 112_140_288, 74_760_192, 37_748_736, 16_777_216, 4_096_000,
    ]  # fmt: skip
    assert (table.totals.parameters, table.totals.macs) == (60_965_224, 724_406_816)
    assert table.totals.flops == 2 * table.totals.macs
    assert table.totals.dense_parameter_share == pytest.approx(0.9617, abs=1e-4)


@pytest.mark.parametrize(
    ("table", "parameters"),
    [
        (layer_shapes(keras_example_1()), 227_146),
        (layer_shapes(keras_example_2()), 2_122_186),
        (light_table("squeezenet"), 1_235_496),
        (light_table("resnet50"), 25_557_032),
        (light_table("vgg19"), 143_667_240),
    ],
    ids=["keras 1", "keras 2", "squeezenet", "resnet50", "vgg19"],
)
def test_known_networks_have_their_published_parameters(table: LayerShapes, parameters: int) -> None:
    assert table.totals.parameters == parameters


def test_macs_and_memory_are_those_of_the_batch_and_parameters_are_not() -> None:
    one, four = layer_shapes(own_export()).totals, layer_shapes(own_export(), batch=4).totals
    assert (four.macs, four.activation_bytes, four.parameters) == (
        4 * one.macs,
        4 * one.activation_bytes,
        one.parameters,
    )


def test_batch_norm_counts_what_is_trained_and_preprocessing_nothing() -> None:
    table = layer_shapes(own_export())
    assert (row(table, "bn1").parameters, row(table, "add_1").parameters) == (16, 0)


def test_weights_that_two_layers_share_are_counted_once() -> None:
    nodes = [helper.make_node("Conv", ["image", "w"], ["a"]), helper.make_node("Conv", ["a", "w"], ["b"])]
    table = layer_shapes(network(nodes, {"image": (1, 3, 8, 8)}, ["b"], weights={"w": (3, 3, 3, 3)}))
    assert [each.parameters for each in table.layers] == [81, 81]
    assert table.totals.parameters == 81


# --- receptive fields


@pytest.mark.parametrize(
    ("layer", "size", "jump"),
    [("conv1", 11, 4), ("max_pool_1", 19, 8), ("max_pool_2", 67, 16), ("max_pool_3", 195, 32)],
)
def test_alexnet_sees_what_the_published_table_says(layer: str, size: int, jump: int) -> None:
    field = row(layer_shapes(alexnet()), layer).receptive_field
    assert field is not None
    assert (field.status, field.size, field.jump) == ("exact", (size, size), (jump, jump))


def test_resnet_50_sees_427_pixels_behind_its_last_block() -> None:
    fields = [each.receptive_field for each in light_table("resnet50").layers if each.kind == "add"]
    assert [field.size[0] for field in fields if field][-1] == 427
    assert {field.jump for field in fields if field} == {(4, 4), (8, 8), (16, 16), (32, 32)}


def test_dense_and_global_layers_see_the_whole_image() -> None:
    table = layer_shapes(own_export())
    fields = [row(table, name).receptive_field for name in ("global_average_pool_1", "reshape_1", "fc")]
    assert {(field.status, field.size, field.jump) for field in fields if field} == {("whole_image", (32, 32), None)}


@pytest.mark.parametrize("name", ["conv1", "max_pool_1", "block.conv2", "add_2"])
def test_only_units_whose_receptive_field_holds_a_pixel_change_with_it(name: str) -> None:
    model = own_export()
    each = row(layer_shapes(model), name)
    field = each.receptive_field
    assert field is not None
    assert field.jump is not None
    assert field.centre is not None
    picture = np.random.default_rng(1).integers(0, 255, (1, 32, 32, 3))
    touched = picture.copy()
    touched[0, 13] = 255 - touched[0, 13]
    before, after = (run(model, [each.tensor], image)[each.tensor] for image in (picture, touched))
    changed = {int(line) for line in np.flatnonzero((before != after).any(axis=(0, 1, 3)))}
    centres = {t: field.centre[0] + t * field.jump[0] for t in range(before.shape[2])}
    seeing = {t for t, centre in centres.items() if abs(13 - centre) <= ((field.size[0] or 0) - 1) / 2}
    assert changed == seeing


def test_an_upsampled_map_sees_at_most_a_hull() -> None:
    field = row(layer_shapes(image_to_image()), "up").receptive_field
    assert field is not None
    assert (field.status, field.jump) == ("upper_bound", (1, 1))


def test_paths_with_different_steps_have_no_receptive_field_of_one_grid() -> None:
    nodes = [
        helper.make_node("MaxPool", ["image"], ["a"], kernel_shape=[2, 2], strides=[7, 7]),
        helper.make_node("MaxPool", ["image"], ["b"], kernel_shape=[7, 7]),
        helper.make_node("Add", ["a", "b"], ["c"]),
    ]
    table = layer_shapes(network(nodes, {"image": (1, 1, 8, 8)}, ["c"]))
    assert (row(table, "add_1").output_shape, row(table, "add_1").receptive_field) == ((1, 1, 2, 2), None)


# --- other inputs


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"height": 64}, "height=64 cannot be used; this network's height is fixed at 32: leave it out, "),
        ({"width": 0}, "width=0 cannot be used; ask for 1 to 4,096"),
        ({"batch": 10**30}, "ask for 1 to 65,536"),
    ],
)
def test_a_size_that_the_file_rules_out_is_refused_with_the_remedy(asked: dict[str, int], message: str) -> None:
    with pytest.raises(InvalidParameterError, match=re.escape(message)):
        layer_shapes(own_export(), **asked)  # type: ignore[arg-type]  # one of three integers


def test_a_fixed_batch_may_not_be_asked_to_differ() -> None:
    with pytest.raises(InvalidParameterError, match="batch=2 cannot be used; this network's batch is fixed at 1"):
        layer_shapes(light("squeezenet"), batch=2)


def free_size() -> onnx.ModelProto:
    stages = [conv("conv1", 4, 3, 5), pool("pool1", 2, 2), plain("Flatten", "flatten"), dense("fc", 4 * 14 * 14, 10)]
    return chain(stages, ("batch", 3, "height", "width"))


@pytest.mark.parametrize(
    ("height", "width", "message"),
    [
        (32, 5, "width=5 cannot be used; ask for another size, layer max_pool_1 rules it out: "),
        (32, 5, "its window does not fit into its input: floor((1 - 2)/2) + 1 = 0"),
        (3, 32, "height=3 cannot be used; ask for another size, layer conv1 rules it out: "),
        (
            40,
            32,
            "height=40 cannot be used; ask for another size, layer fc rules it out: it takes 784 inputs and gets 1008",
        ),
    ],
)
def test_a_size_that_makes_a_layer_impossible_is_refused_with_that_layer(height: int, width: int, message: str) -> None:
    with pytest.raises(InvalidParameterError, match=re.escape(message)):
        layer_shapes(free_size(), height=height, width=width)


def test_a_free_size_that_is_not_asked_for_leaves_the_shapes_open_and_says_what_to_do() -> None:
    first = layer_shapes(free_size()).layers[0]
    assert first.output_shape == (1, 4, None, None)
    assert first.reason == "the size of the input is free: ask for a height and a width"
    assert first.parameters == 304


def test_channels_in_the_last_axis_are_found_from_the_graph() -> None:
    table = layer_shapes(own_export(size=None), height=48, width=16)
    assert (table.input_shape, row(table, "conv1").output_shape) == ((1, 48, 16, 3), (1, 8, 48, 16))


def test_pixels_that_are_dequantised_first_are_followed_to_the_first_convolution() -> None:
    nodes = [
        helper.make_node("Transpose", ["image"], ["moved"], perm=[0, 3, 1, 2]),
        helper.make_node("DequantizeLinear", ["moved", "scale"], ["pixels"]),
        helper.make_node("Conv", ["pixels", "w"], ["y"]),
    ]
    values: Values = {"w": np.zeros((4, 1, 3, 3), np.float32), "scale": np.array(0.1, np.float32)}
    model = network(nodes, {"image": ("batch", 28, 28, 1)}, ["y"], values=values, dtype=TensorProto.UINT8)
    table = layer_shapes(model, height=28, width=28)
    assert [row.stage for row in table.layers] == ["preprocessing", "preprocessing", "network"]
    assert (table.layers[2].output_shape, table.totals.parameters) == ((1, 4, 26, 26), 36)


def test_a_reshape_to_the_files_own_batch_cannot_take_another() -> None:
    node = helper.make_node("Reshape", ["image", "flat"], ["y"])
    values: Values = {"flat": np.array([1, 192], np.int64)}
    model = network([node], {"image": ("batch", 3, 8, 8)}, ["y"], values=values)
    with pytest.raises(InvalidParameterError, match=r"batch=2 .*2x3x8x8 elements are not 1x192"):
        layer_shapes(model, batch=2)


# --- what nobody can know


def custom(shape: list[str | int] | None) -> onnx.ModelProto:
    nodes = [
        helper.make_node("Conv", ["image", "conv1.weight"], ["a"]),
        helper.make_node("Wavelet", ["a"], ["b"], domain="com.acme"),
        helper.make_node("Relu", ["b"], ["c"]),
    ]
    inputs = {"image": ("batch", 3, 8, 8)}
    model = network(nodes, inputs, ["c"], weights={"conv1.weight": (4, 3, 3, 3)}, opsets={"com.acme": 1})
    if shape:
        model.graph.value_info.append(helper.make_tensor_value_info("b", TensorProto.FLOAT, shape))
    return model


def test_a_custom_operator_leaves_a_reason_and_the_rest_of_the_table() -> None:
    conv1, wavelet, relu = layer_shapes(custom(None)).layers
    assert (conv1.output_shape, conv1.macs) == ((1, 4, 6, 6), 3888)
    assert (wavelet.kind, wavelet.output_shape, wavelet.macs) == ("wavelet", None, None)
    assert wavelet.reason == "'Wavelet' is not a standard operator, and the file states no shape for it"
    assert relu.reason == "the shape of its input is not known"


def test_what_the_file_states_behind_a_custom_operator_is_used() -> None:
    table = layer_shapes(custom(["batch", 4, 3, 3]), batch=2)
    assert [each.output_shape for each in table.layers] == [(2, 4, 6, 6), (2, 4, 3, 3), (2, 4, 3, 3)]
    assert table.layers[1].receptive_field is None


def test_a_layer_that_cannot_run_says_so_and_so_do_those_behind_it() -> None:
    table = layer_shapes(chain([conv("conv1", 4, 5, 3), plain("Relu", "relu")]))
    assert [each.reason for each in table.layers] == [
        "it takes 5 channels and gets 3",
        "a layer before it cannot run",
    ]


def hostile_files() -> Iterator[Path]:
    return (path for path in sorted(HOSTILE.glob("*.onnx")) if path.stem != "100k_nodes")


@pytest.mark.skipif(not HOSTILE.is_dir(), reason=f"no folder {HOSTILE.name} under FOVEA_DATA")
def test_no_hostile_file_ends_in_an_exception() -> None:
    tables = []
    for path in hostile_files():
        try:
            model = onnx.load(path, load_external_data=False)
        except DecodeError:
            continue
        tables.append(layer_shapes(model))
        assert as_text(tables[-1])
    assert len(tables) > 40


# --- renderings


def test_the_text_is_aligned_and_reads_from_left_to_right() -> None:
    text = as_text(layer_shapes(keras_example_1()))
    lines = text.splitlines()
    assert lines[0] == "input 'image': 1x3x32x32"
    cells = ["conv1", "conv", "3x3", "1", "0", "1x32x30x30", "floor((32 - 3)/1) + 1 = 30", "896", "777,600"]
    assert re.split(r" {2,}", lines[4]) == [*cells, "112.5 KiB", "3x3 every 1"]
    assert lines[4].index("1x32x30x30") == lines[2].index("output")
    assert "227,146 parameters, 58.9% of them in dense layers" in lines


def test_axes_that_differ_and_notes_have_a_line_each() -> None:
    lines = [line.strip() for line in as_text(layer_shapes(image_to_image())).splitlines()]
    assert "floor((16 + 2*1 - 3)/2) + 1 = 8" in lines[4]
    assert lines[5] == "remainder 1: only padding is not read"
    assert lines[6] == "floor((24 + 2*1 - 3)/2) + 1 = 12"


def test_rows_that_nobody_wrote_are_counted_in_the_text_and_stand_in_the_csv() -> None:
    table = layer_shapes(own_export())
    hidden = tuple(each.model_copy(update={"stage": "layout"}) for each in table.layers[:2])
    table = table.model_copy(update={"layers": (*hidden, *table.layers[2:])})
    for text in (as_text(table), as_markdown(table)):
        assert "2 rows that only move the channels are not shown" in text
        assert f"\n{hidden[0].id}" not in text
    assert [each["stage"] for each in csv.DictReader(io.StringIO(as_csv(table)))][:3] == ["layout"] * 2 + [
        "preprocessing"
    ]


def test_a_kind_says_its_groups_its_dilation_and_what_is_folded_into_it() -> None:
    table = layer_shapes(image_to_image())
    wide = row(table, "wide").model_copy(update={"groups": 4, "folded": ("bn1",)})
    (line,) = [line for line in as_text(table.model_copy(update={"layers": (wide,)})).splitlines() if "wide" in line]
    assert "conv, with bn1, 4 groups, dilation 2" in line


def test_markdown_has_one_row_per_layer_and_sums_as_code() -> None:
    rows = [line for line in as_markdown(layer_shapes(keras_example_2())).splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 10
    assert rows[2].startswith(
        "| conv1 | conv | 3x3 | 1 | 1 | 1x32x32x32 | `floor((32 + 2*1 - 3)/1) + 1 = 32 (SAME_UPPER)` |"
    )
    assert r" | max\_pool | 2x2 | " in rows[4]
    assert {line.count("|") for line in rows} == {12}


def test_markdown_shows_a_name_from_the_file_as_text() -> None:
    model = network([helper.make_node("Relu", ["<b>|`x`"], ["y"])], {"<b>|`x`": (1, 3, 4, 4)}, ["y"])
    assert as_markdown(layer_shapes(model)).splitlines()[0] == r"input '\<b\>\|\`x\`': 1x3x4x4"


def test_csv_has_every_field_and_runs_in_no_spreadsheet() -> None:
    model = network([helper.make_node("Relu", ["x"], ["=1+1"])], {"x": (1, 3, 4, 4)}, ["=1+1"])
    (only,) = csv.DictReader(io.StringIO(as_csv(layer_shapes(model))))
    assert (only["id"], only["tensor"], only["output_shape"]) == ("relu_1", "'=1+1", "1x3x4x4")
    assert only["receptive_field_size"] == "1x1"


def test_the_table_goes_through_json_unchanged() -> None:
    table = layer_shapes(image_to_image())
    assert LayerShapes.model_validate_json(table.model_dump_json()) == table
