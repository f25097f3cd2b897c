import re

import numpy as np
import onnx
import pytest
from onnx import helper

from service.engine.model_metadata import ManifestLayer
from service.errors import UnknownLayerError
from service.inspection.graph.layers import Layer, layer_named, layers
from tests.networks import Values, alexnet, chain, conv, image_to_image, keras_example_1, network, own_export, plain


def ids(model: onnx.ModelProto, manifest: tuple[ManifestLayer, ...] = ()) -> list[str]:
    return [layer.id for layer in layers(model, manifest)]


def scoped(name: str, *scopes: str) -> onnx.NodeProto:
    node = helper.make_node("Relu", [name], [f"{name}_out"])
    node.metadata_props.add(key="pkg.torch.onnx.name_scopes", value=repr(["", *scopes, "fx_node"]))
    return node


def kinds(model: onnx.ModelProto) -> list[str]:
    return [layer.kind for layer in layers(model)]


def test_a_manifest_names_a_layer_before_everything_else() -> None:
    model = chain([conv("conv1", 4, 3, 3)])
    manifest = (ManifestLayer(id="features.0", kind="conv", tensor="conv1"),)
    (layer,) = layers(model, manifest)
    assert (layer.id, layer.aliases) == ("features.0", ("conv1", "conv_1"))


def test_a_weight_names_its_layer_and_the_kind_with_its_number_is_an_alias() -> None:
    (layer,) = layers(chain([conv("layer1.0.conv1", 4, 3, 3)]))
    assert (layer.id, layer.aliases) == ("layer1.0.conv1", ("conv_1",))


def test_a_weight_that_is_dequantized_first_still_names_its_layer() -> None:
    nodes = [
        helper.make_node("DequantizeLinear", ["conv1.weight_quantized", "scale"], ["dequantized"]),
        helper.make_node("Conv", ["image", "dequantized"], ["y"]),
    ]
    values: Values = {"conv1.weight_quantized": np.zeros((2, 3, 3, 3), np.int8), "scale": np.array(0.1, np.float32)}
    model = network(nodes, {"image": (1, 3, 8, 8)}, ["y"], values=values)
    assert ids(model) == ["conv1"]


def test_torch_scopes_name_a_layer_without_weights() -> None:
    model = network([scoped("x", "layer1", "layer1.0", "layer1.0.relu")], {"x": (1, 4)}, ["x_out"])
    assert ids(model) == ["layer1.0.relu"]


def test_a_module_used_twice_gets_two_ids() -> None:
    model = network([scoped("x", "relu"), scoped("x_out", "relu")], {"x": (1, 4)}, ["x_out_out"])
    assert ids(model) == ["relu", "relu-2"]


@pytest.mark.parametrize("scopes", ["[", "['', 7, 'x']", "{}", "('')", "[" * 5000])
def test_scopes_that_are_no_list_of_names_are_ignored(scopes: str) -> None:
    node = helper.make_node("Relu", ["x"], ["y"])
    node.metadata_props.add(key="pkg.torch.onnx.name_scopes", value=scopes)
    assert ids(network([node], {"x": (1, 4)}, ["y"])) == ["relu_1"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/layer1/layer1.0/conv1/Relu", "layer1.0.conv1"),
        ("/features/features.3/features.3.1/Relu_1", "features.3.1"),
        ("/Relu", "relu_1"),
        ("relu", "relu_1"),
        ("/layer1/Sigmoid", "relu_1"),
    ],
)
def test_the_node_names_of_torchs_earlier_exporter_are_paths(path: str, name: str) -> None:
    model = network([helper.make_node("Relu", ["x"], ["y"], name=path)], {"x": (1, 4)}, ["y"])
    assert ids(model) == [name]


def test_a_counted_name_never_takes_one_that_the_file_states() -> None:
    model = chain([plain("Relu", "a"), plain("Relu", "b")])
    first, second = layers(model, (ManifestLayer(id="relu_1", kind="relu", tensor="b"),))
    assert (first.id, second.id, second.aliases) == ("relu_1-2", "relu_1", ("relu_2",))


def test_ids_are_unique_and_fit_into_a_url() -> None:
    manifest = tuple(
        ManifestLayer(id=name, kind="relu", tensor=f"t{index}")
        for index, name in enumerate(["a/b", "a b", "ünïcode", "..", "x" * 200, "?"])
    )
    model = chain([plain("Relu", f"t{index}") for index in range(6)])
    found = ids(model, manifest)
    assert len(set(found)) == len(found) == 6
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) and name != ".." for name in found)


def test_a_layer_is_found_by_its_id_and_by_its_alias() -> None:
    found = layers(keras_example_1())
    assert layer_named("conv2", found) is layer_named("conv_2", found)


def test_an_unknown_layer_is_answered_with_the_nearest_names() -> None:
    with pytest.raises(UnknownLayerError, match=r"no layer named 'conv9'; nearest names: .*conv1"):
        layer_named("conv9", layers(keras_example_1()))


def test_kinds_are_the_fields_words() -> None:
    assert kinds(image_to_image()) == ["conv", "conv", "transposed_conv", "concat", "resize", "sigmoid"]
    assert kinds(alexnet())[:4] == ["conv", "relu", "max_pool", "local_response_norm"]


def test_an_operator_of_another_domain_keeps_its_name_and_is_never_taken_for_a_standard_one() -> None:
    nodes = [
        helper.make_node("FancyPool2D", ["x"], ["y"], domain="com.acme"),
        helper.make_node("MaxPool", ["y"], ["z"], domain="com.acme"),
    ]
    model = network(nodes, {"x": (1, 4)}, ["z"], opsets={"com.acme": 1})
    assert kinds(model) == ["fancy_pool2d", "com_acme_max_pool"]


def test_what_prepares_weights_or_reads_shapes_is_no_layer() -> None:
    assert [layer.op_types for layer in layers(own_export())][-2:] == [("Reshape",), ("Gemm",)]
    assert "ConstantOfShape" not in {op for layer in layers(alexnet()) for op in layer.op_types}
    assert layer_named("fc6", layers(alexnet())).weights == ("fc6.weight", "fc6.bias")


def test_weights_listed_among_the_inputs_are_not_inputs_of_layers() -> None:
    model = chain([conv("conv1", 4, 3, 3)])
    for tensor in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    (layer,) = layers(model)
    assert (layer.inputs, layer.weights) == (("image",), ("conv1.weight", "conv1.bias"))


def test_arithmetic_on_the_image_before_the_first_layer_is_preprocessing() -> None:
    stages = {layer.kind: layer.stage for layer in layers(own_export())[:5]}
    assert stages == {
        "transpose": "preprocessing",
        "cast": "preprocessing",
        "mul": "preprocessing",
        "add": "preprocessing",
        "conv": "network",
    }
    assert layer_named("add_2", layers(own_export())).stage == "network"


def matmul_add(bias: str = "fc.bias", outputs: tuple[str, ...] = ("y",)) -> onnx.ModelProto:
    nodes = [
        helper.make_node("MatMul", ["x", "fc.weight"], ["product"]),
        helper.make_node("Add", [bias, "product"], ["y"]),
    ]
    weights = {"fc.weight": (4, 3), "fc.bias": (3,)}
    return network(nodes, {"x": (1, 4), "z": (1, 3)}, outputs, weights=weights)


def test_a_product_and_its_bias_are_one_dense_layer() -> None:
    (layer,) = layers(matmul_add())
    assert (layer.id, layer.kind, layer.op_types) == ("fc", "dense", ("MatMul", "Add"))
    assert (layer.inputs, layer.weights, layer.output) == (("x",), ("fc.weight", "fc.bias"), "y")


@pytest.mark.parametrize("model", [matmul_add(bias="z"), matmul_add(outputs=("y", "product"))])
def test_a_product_that_is_read_elsewhere_or_added_to_a_tensor_stays_alone(model: onnx.ModelProto) -> None:
    assert kinds(model) == ["dense", "add"]


def test_a_kernel_that_is_not_stated_is_that_of_the_weight() -> None:
    (layer,) = [each for each in layers(own_export()) if each.id == "conv1"]
    assert (layer.kernel, layer.stride, layer.padding, layer.dilation) == ((3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1))


def test_padding_is_begin_and_end_of_each_axis() -> None:
    layer = layer_named("conv1", layers(alexnet(padding=(1, 3, 2, 4))))
    assert layer.padding == ((1, 2), (3, 4))


def test_settings_that_are_constant_inputs_are_found_by_their_standard_names() -> None:
    resize = layer_named("resize_1", layers(image_to_image()))
    assert resize.settings["scales"] == (1.0, 1.0, 2.0, 2.0)


def test_settings_of_a_wrong_type_are_as_if_absent() -> None:
    layer = Layer("a", (), "conv", "network", ("Conv",), ("x",), (), ("y",), {"kernel_shape": "3x3", "group": "two"})
    assert (layer.kernel, layer.stride, layer.padding, layer.groups) == (None, None, None, 1)


def test_tensors_taken_from_outside_a_branch_are_inputs() -> None:
    def branch(name: str) -> onnx.GraphProto:
        output = helper.make_tensor_value_info(f"{name}_y", onnx.TensorProto.FLOAT, None)
        return helper.make_graph([helper.make_node("Relu", ["image"], [f"{name}_y"])], name, [], [output])

    node = helper.make_node("If", ["flag"], ["y"], then_branch=branch("a"), else_branch=branch("b"))
    model = network([node], {"image": (1, 3, 8, 8)}, ["y"], values={"flag": np.array(True)})
    (layer,) = layers(model)
    assert (layer.kind, layer.inputs, layer.weights) == ("if", ("image",), ("flag",))
