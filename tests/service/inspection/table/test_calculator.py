from typing import Any

import pytest
from pydantic import ValidationError

from service.errors import InvalidParameterError
from service.inspection.shapes.layer_shapes import layer_shapes
from service.inspection.shapes.layer_table import LayerShapes
from service.inspection.table.calculator import MAX_LAYERS, WrittenNetwork, written_shapes
from tests.networks import alexnet, chain, conv, dense, keras_example_1, keras_example_2, plain, pool

Written = dict[str, Any]


def shapes(size: list[int], *layers: Written, **more: Any) -> LayerShapes:
    return written_shapes(WrittenNetwork.model_validate({"input": size, "layers": list(layers), **more}))


def sizes(size: list[int], *layers: Written) -> list[tuple[int | None, ...] | None]:
    return [row.output_shape and row.output_shape[1:] for row in shapes(size, *layers).layers]


def convolution(out: int, kernel: int, **more: Any) -> Written:
    return {"kind": "conv", "out_channels": out, "kernel": kernel, **more}


def maximum(kernel: int, **more: Any) -> Written:
    return {"kind": "max_pool", "kernel": kernel, **more}


RELU, FLATTEN, LRN = {"kind": "relu"}, {"kind": "flatten"}, {"kind": "local_response_norm"}


def units(count: int) -> Written:
    return {"kind": "dense", "units": count}


ALEXNET = [
    convolution(96, 11, stride=4, padding=[[1, 2], [1, 2]]), RELU, maximum(3, stride=2), LRN,
    convolution(256, 5, padding=2), RELU, maximum(3, stride=2), LRN,
    convolution(384, 3, padding=1), RELU, convolution(384, 3, padding=1), RELU, convolution(256, 3, padding=1), RELU,
    maximum(3, stride=2), FLATTEN, units(4096), RELU, units(4096), RELU, units(1000),
]  # fmt: skip


def example(*, same: bool, hidden: int, maps: tuple[int, ...]) -> list[Written]:
    padding = {"auto_pad": "SAME_UPPER"} if same else {}
    convolutions = [part for out in maps for part in (convolution(out, 3, **padding), RELU, maximum(2))]
    return [*convolutions, FLATTEN, units(hidden), RELU, units(10)]


@pytest.mark.parametrize(
    ("size", "layers", "model", "parameters"),
    [
        ([3, 224, 224], ALEXNET, alexnet(), 62_378_344),
        ([3, 32, 32], example(same=False, hidden=256, maps=(32, 64, 128)), keras_example_1(), 227_146),
        ([3, 32, 32], example(same=True, hidden=512, maps=(32, 64)), keras_example_2(), 2_122_186),
    ],
    ids=["alexnet", "keras 1", "keras 2"],
)
def test_a_written_network_has_the_table_of_its_model_file(
    size: list[int], layers: list[Written], model: Any, parameters: int
) -> None:
    written, exported = shapes(size, *layers), layer_shapes(model)
    names = {"id", "aliases", "tensor", "inputs"}
    ours = [row.model_dump(exclude=names) for row in written.layers]
    theirs = [row.model_dump(exclude=names) for row in exported.layers if row.kind != "softmax"]
    assert ours == theirs
    assert (written.totals.parameters, written.totals.macs) == (parameters, exported.totals.macs)


@pytest.mark.parametrize(
    ("size", "layers", "expected"),
    [
        ([1, 4, 4], [convolution(1, 2)], (1, 3, 3)),
        ([1, 6, 6], [convolution(1, 3)], (1, 4, 4)),
        ([3, 32, 32], [convolution(4, 5)], (4, 28, 28)),
        ([2, 4, 4], [convolution(6, 2, padding=2)], (6, 7, 7)),
        ([1, 200, 200], [FLATTEN, units(1000)], (1000,)),
        ([3, 9, 20], [convolution(4, 3, dilation=[1, 2], stride=[2, 1], padding=[0, 1])], (4, 4, 18)),
        ([1, 7, 7], [maximum(2)], (1, 3, 3)),
        ([1, 7, 7], [maximum(2, ceil_mode=True)], (1, 4, 4)),
        ([4, 8, 8], [{"kind": "lp_pool", "kernel": 2}, {"kind": "average_pool", "kernel": 2, "stride": 1}], (4, 3, 3)),
        ([4, 8, 8], [{"kind": "transposed_conv", "out_channels": 2, "kernel": 3, "stride": 2, "padding": 1,
                      "output_padding": 1}], (2, 16, 16)),
        ([4, 8, 8], [{"kind": "upsample", "scale": 2}, {"kind": "resize", "scale": [0.5, 1.5], "mode": "linear"}],
         (4, 8, 24)),
        ([4, 8, 8], [{"kind": "pad", "padding": [[1, 2], [0, 3]]}], (4, 11, 11)),
        ([4, 8, 8], [{"kind": "global_average_pool"}, FLATTEN, {"kind": "softmax"}], (4,)),
        ([4, 8], [convolution(2, 3), maximum(2)], (2, 3)),
        ([4, 8, 8, 8], [convolution(2, 3, groups=2)], (2, 6, 6, 6)),
        ([100], [units(10), {"kind": "batch_norm"}, {"kind": "dropout"}, {"kind": "hard_swish"}], (10,)),
    ],
)  # fmt: skip
def test_the_sizes_are_those_of_the_field(size: list[int], layers: list[Written], expected: tuple[int, ...]) -> None:
    assert sizes(size, *layers)[-1] == expected


def test_a_dense_layer_on_200_by_200_has_forty_million_weights() -> None:
    (_, last) = shapes([1, 200, 200], FLATTEN, units(1000)).layers
    assert last.macs == 40_000_000
    assert last.parameters_formula == "1000*40000 + 1000 = 40,001,000"


def test_rows_go_by_the_ids_that_were_written_and_by_kind_and_number() -> None:
    table = shapes([3, 8, 8], convolution(4, 3, id="first"), RELU, convolution(4, 3), batch=5)
    assert [row.id for row in table.layers] == ["first", "relu_1", "conv_2"]
    assert [row.inputs for row in table.layers] == [("input",), ("first",), ("relu_1",)]
    assert table.input_shape == (5, 3, 8, 8)


def test_a_number_that_is_already_an_id_is_left_out() -> None:
    table = shapes([3, 8, 8], convolution(4, 1), convolution(4, 1, id="conv_2"), convolution(4, 1), convolution(4, 1))
    assert [row.id for row in table.layers] == ["conv_1", "conv_2", "conv_3", "conv_4"]


def test_a_pad_that_was_written_has_a_row_of_its_own() -> None:
    table = shapes([3, 8, 8], {"kind": "pad", "padding": 1}, convolution(4, 3))
    assert [(row.kind, row.formula) for row in table.layers] == [
        ("pad", ("8 + 1 + 1 = 10",)),
        ("conv", ("floor((10 - 3)/1) + 1 = 8",)),
    ]


def test_height_and_width_may_be_named() -> None:
    named = {"channels": 3, "height": 8, "width": 9}
    written = WrittenNetwork.model_validate({"input": named, "layers": [RELU]})
    assert written_shapes(written).input_shape == (1, 3, 8, 9)


def test_weights_of_terabytes_are_counted_and_never_made() -> None:
    table = shapes([1_000_000, 3, 3], *[convolution(1_000_000, 3, padding=1)] * 3)
    assert table.totals.parameters == 3 * (9 * 10**12 + 10**6)


def test_a_thousand_layers_have_a_table_and_one_more_has_none() -> None:
    assert len(shapes([1, 8, 8], *[RELU] * MAX_LAYERS).layers) == MAX_LAYERS
    with pytest.raises(ValidationError, match="at most 1000 items"):
        shapes([1, 8, 8], *[RELU] * (MAX_LAYERS + 1))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([convolution(1, 5, id="c1"), maximum(5, id="p1")],
         r"layers.1.kernel=5 .*; p1: its window does not fit into its input: floor\(\(4 - 5\)/5\) \+ 1 = 0; make it"),
        ([convolution(4, 3, groups=4)], "layers.0.groups=4 .*; conv_1: it must divide the 6 input channels"),
        ([convolution(4, 3, groups=3)], "layers.0.groups=3 .*; conv_1: it must divide the 4 output channels"),
        ([units(4)], r"layers.0.kind='dense' .*; dense_1: its input is 6x8x8: put \{\"kind\": \"flatten\"\} before it"),
        ([FLATTEN, convolution(4, 3)], r"layers.1.kind='conv' .* its input is flat \(384 values\)"),
        ([convolution(4, 3, stride=[1, 1, 1])], r"layers.0.stride=\[1, 1, 1\] .* its input has 2 axes \(8x8\)"),
        ([{"kind": "pad", "padding": [[1, 1]]}], r"layers.0.padding=\[\(1, 1\)\] .* give one number, or a list of 2"),
        ([{"kind": "resize", "scale": [1, 2, 3]}], r"layers.0.scale=\[1.0, 2.0, 3.0\] .* has 2 axes"),
        ([{"kind": "resize", "scale": 0.01}], "layers.0.scale=0.01 .* nothing is left of its input of 1x6x8x8"),
        ([maximum(2, padding=2)], "layers.0.padding=2 .* it must be smaller than the kernel"),
        ([convolution(4, 3, padding=1, auto_pad="VALID")], "layers.0.padding=1 .* auto_pad=VALID decides it"),
        ([{"kind": "transposed_conv", "out_channels": 4, "kernel": 2, "padding": 9}],
         r"layers.0.padding=9 .* 1\*\(8 - 1\) \+ 2 - 2\*9 = -9"),
        ([{"kind": "transposed_conv", "out_channels": 4, "kernel": 2, "output_padding": 1}],
         "layers.0.output_padding=1 .* smaller than the stride or the dilation"),
        ([{"kind": "transposed_conv", "out_channels": 4, "kernel": 2, "output_padding": 1, "auto_pad": "SAME_UPPER"}],
         "layers.0.output_padding=1 .* auto_pad=SAME_UPPER decides it"),
        ([{"kind": "upsample", "scale": 1024}] * 2, "layers.1.scale=1024.0 .* output would be .* 65,536 on a side"),
        ([convolution(4, 3, id="a"), convolution(4, 3, id="a")], "layers.1.id='a' .* an id of its own"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_the_layer_the_value_and_the_remedy(layers: list[Written], message: str) -> None:
    with pytest.raises(InvalidParameterError, match=message):
        shapes([6, 8, 8], *layers)


def test_an_input_that_no_machine_holds_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match=r"input=.* a batch may have at most 1,099,511,627,776 values"):
        shapes([1_000_000, 65_536, 65_536], RELU)


@pytest.mark.parametrize(
    ("layer", "field"),
    [
        (convolution(0, 3), "out_channels"),
        (convolution(4, 0), "kernel"),
        (convolution(4, 3, stride=True), "stride"),
        (convolution(4, 3, padding=[1, [1, 1]]), "padding"),
        (convolution(4, 3, padding=[[1, 1, 1]]), "padding"),
        (convolution(4, 3, padding=-1), "padding"),
        (convolution(4, 3, dilation=[]), "dilation"),
        (convolution(4, 3, bias=1), "bias"),
        (convolution(4, 3, colour=1), "colour"),
        (convolution(4, 3, id="a/b"), "id"),
        ({"kind": "resize", "scale": 0}, "scale"),
        ({"kind": "resize", "scale": float("nan")}, "scale"),
        ({"kind": "resize", "scale": "2"}, "scale"),
        ({"kind": "dense"}, "units"),
    ],
)
def test_a_number_out_of_range_is_refused_at_its_field(layer: Written, field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        shapes([3, 8, 8], layer)
    assert caught.value.errors()[0]["loc"][-1] == field


@pytest.mark.parametrize("size", [[], [0, 4, 4], [3, 4.5, 4], [3, 4, 4, 4, 4], {"channels": 3}, "3x4x4", [3, 70_000]])
def test_an_input_that_is_no_size_is_refused_with_an_example(size: Any) -> None:
    with pytest.raises(ValidationError, match=r'give \{"channels": 3, "height": 32, "width": 32\}'):
        shapes(size, RELU)


def test_the_calculator_and_a_file_agree_on_what_a_person_writes_by_hand() -> None:
    stages = [conv("a", 8, 3, 5, strides=[2, 2], dilations=[2, 1]), plain("Relu", "r"), pool("p", 3, 2, ceil_mode=1)]
    file = layer_shapes(chain([*stages, plain("Flatten", "f"), dense("d", 8 * 6 * 7, 5)]))
    written = shapes(
        [3, 32, 32], convolution(8, 5, stride=2, dilation=[2, 1]), RELU, maximum(3, stride=2, ceil_mode=True), FLATTEN,
        units(5),
    )  # fmt: skip
    assert [(r.formula, r.macs) for r in file.layers] == [(r.formula, r.macs) for r in written.layers]
