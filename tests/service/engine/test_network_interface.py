import pytest
from onnx import TensorProto, helper

from service.engine.network_interface import class_output, image_input
from service.errors import ModelContractError
from tests import tiny_models


def test_the_layout_and_the_free_sizes_of_an_nchw_input_are_found() -> None:
    found = image_input(tiny_models.classifier(channels=1, side="side"))
    assert (found.layout, found.channels, found.height, found.width, found.batch) == ("NCHW", 1, None, None, None)


@pytest.mark.parametrize("channels", [1, 3])
def test_an_input_that_is_transposed_first_is_nhwc_even_where_its_sides_look_like_channels(channels: int) -> None:
    found = image_input(tiny_models.classifier(layout="NHWC", channels=channels, side=3, dtype=tiny_models.UINT8))
    assert (found.layout, found.channels, found.dtype, found.height) == ("NHWC", channels, "uint8", 3)


def test_an_initializer_listed_among_the_inputs_is_not_an_input() -> None:
    model = tiny_models.classifier()
    model.graph.input.append(helper.make_tensor_value_info("conv.weight", TensorProto.FLOAT, [5, 3, 3, 3]))
    assert image_input(model).name == "image"


def test_channels_that_the_input_does_not_state_come_from_the_first_convolution() -> None:
    model = tiny_models.classifier(channels=3)
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "channels"
    assert image_input(model).channels == 3


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        ([1, 4, 8, 8], "[1, 4, 8, 8] has 4 channels"),
        ([8, 8], "has rank 2"),
        ([1, 3, -8, 8], "[1, 3, -8, 8]"),
    ],
)
def test_an_input_that_is_no_image_batch_is_refused_with_its_shape(shape: list[int | str], sentence: str) -> None:
    relu = [helper.make_node("Relu", ["x"], ["y"])]
    model = tiny_models.model(relu, {}, ("x", tiny_models.FLOAT, shape), ("y", tiny_models.FLOAT, shape))
    with pytest.raises(ModelContractError, match=sentence.replace("[", r"\[")):
        image_input(model)


def test_a_second_input_is_refused_by_name() -> None:
    model = tiny_models.classifier()
    model.graph.input.append(helper.make_tensor_value_info("extra", TensorProto.FLOAT, [1]))
    with pytest.raises(ModelContractError, match="2 inputs: image, extra"):
        image_input(model)


@pytest.mark.parametrize(("ending", "activation"), [(None, None), ("Softmax", "softmax"), ("Sigmoid", "sigmoid")])
def test_an_activation_at_the_end_of_the_graph_is_found(ending: None, activation: str | None) -> None:
    output = class_output(tiny_models.classifier(classes=7, ending=ending))
    assert output is not None
    assert (output.classes, output.activation) == (7, activation)


def test_the_largest_of_several_heads_is_the_classes() -> None:
    model = tiny_models.classifier(classes=4)
    model.graph.node.append(helper.make_node("Flatten", ["relu"], ["aside"]))
    model.graph.output.append(helper.make_tensor_value_info("aside", TensorProto.FLOAT, ["batch", 320]))
    output = class_output(model)
    assert output is not None
    assert output.name == "aside"


def test_a_network_whose_output_is_a_map_does_not_classify() -> None:
    relu = [helper.make_node("Relu", ["x"], ["y"])]
    shape: list[int | str] = [1, 3, 8, 8]
    model = tiny_models.model(relu, {}, ("x", tiny_models.FLOAT, shape), ("y", tiny_models.FLOAT, shape))
    assert class_output(model) is None


def test_a_rank_4_output_of_one_pixel_is_the_classes() -> None:
    model = tiny_models.classifier()
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("pool", TensorProto.FLOAT, ["batch", 5, 1, 1]))
    output = class_output(model)
    assert output is not None
    assert output.classes == 5
