"""Names that exporters leave, read as what the author wrote. Each name here stands in a file of that exporter."""

import numpy as np
import onnx
import pytest
from onnx import helper

from service.inspection.graph.exporter_names import KerasNames, keras_names, layer_of_weight, module_of, telling_name
from service.inspection.graph.layers import layers
from tests.networks import Values, network


def nodes(*names: str) -> list[onnx.NodeProto]:
    return [helper.make_node("Relu", [f"t{i}"], [f"t{i + 1}"], name=name) for i, name in enumerate(names)]


def read(*names: str) -> list[str | None]:
    reader = keras_names(nodes(*names))
    assert reader is not None
    return [reader.layer(name) for name in names]


def test_a_keras_layer_is_what_stands_between_the_model_and_the_operation() -> None:
    assert read(
        "StatefulPartitionedCall/model/block1_conv1/Conv2D",
        "StatefulPartitionedCall/model/block1_pool/MaxPool",
        "StatefulPartitionedCall/model/fc1/BiasAdd",
    ) == ["block1_conv1", "block1_pool", "fc1"]


def test_the_operations_inside_a_keras_layer_have_its_name() -> None:
    assert read(
        "model/bn/batchnorm/mul_1",
        "model/dense/Tensordot/MatMul",
        "model/add/add",
        "model/norm/moments/mean",
        "model/relu/Relu",
    ) == ["bn", "dense", "add", "norm", "relu"]


def test_layers_of_a_model_within_a_model_are_parts_of_its_name() -> None:
    assert read("model/backbone/conv1/Conv2D", "model/backbone/conv2/Conv2D", "model/head/MatMul") == [
        "backbone.conv1",
        "backbone.conv2",
        "head",
    ]


def test_the_number_that_keras_3_adds_to_all_names_of_an_export_is_taken_off() -> None:
    names = (
        "functional_1/conv2d_1/convolution",
        "functional_1/conv2d_1_2/convolution",
        "functional_1/bn_1/batchnorm/mul",
    )
    assert read(*names) == ["conv2d", "conv2d_1", "bn"]


@pytest.mark.parametrize(
    "names",
    [
        ("model/conv_1/Conv2D", "model/conv_2/Conv2D", "model/relu_1/Relu"),
        ("functional_1/conv_1/Conv2D", "functional_1/conv_2/Conv2D", "functional_1/pool_1/MaxPool"),
        ("functional_1/conv/Conv2D", "functional_1/conv_1/Conv2D", "functional_1/pool_1/MaxPool"),
    ],
    ids=["a model without a number", "two would be alike", "one has none"],
)
def test_numbers_that_the_author_may_have_given_stay(names: tuple[str, ...]) -> None:
    assert read(*names) == [name.split("/")[1] for name in names]


def test_a_file_without_such_names_is_not_read_as_keras() -> None:
    assert keras_names(nodes("Conv_0", "Relu_1", "conv/Conv2D")) is None
    assert keras_names(nodes("/conv/Conv", "/relu/Relu")) is None
    assert keras_names([]) is None or keras_names([]) == KerasNames()


@pytest.mark.parametrize(
    ("weight", "layer"),
    [
        ("layer1.0.conv1.weight", "layer1.0.conv1"),  # PyTorch
        ("conv1.weight_quantized", "conv1"),  # ONNX Runtime's quantiser
        ("conv2d_187.w_0", "conv2d_187"),  # Paddle
        ("batch_norm2d_20.w_0", "batch_norm2d_20"),
        ("conv1_1_w_0", "conv1_1"),  # Caffe2
        ("gpu_0/res2_0_branch2a_bn_s_0", "res2_0_branch2a_bn"),
        ("fire2/squeeze1x1_w_0", "fire2.squeeze1x1"),
        ("densenet0_conv0_weight", "densenet0_conv0"),  # MXNet
        ("densenet0_batchnorm0_gamma", "densenet0_batchnorm0"),
        ("param_conv2_reduce_W", "conv2_reduce"),  # Chainer
        ("conv1/kernel:0", "conv1"),  # TensorFlow
        ("onnx::Conv_193", None),
        ("Parameter5", None),  # CNTK
        ("const_fold_opt__244", None),
    ],
)
def test_a_weight_is_called_after_its_layer(weight: str, layer: str | None) -> None:
    assert layer_of_weight(weight) == layer


@pytest.mark.parametrize(
    ("name", "op_type", "told"),
    [
        ("Convolution28", "Conv", "Convolution28"),  # CNTK
        ("Pooling66", "MaxPool", "Pooling66"),
        ("densenet0_pool0_fwd", "MaxPool", "densenet0_pool0"),  # MXNet
        ("pool1_1", "MaxPool", "pool1_1"),
        ("relu1", "Relu", "relu1"),
        ("Relu_4", "Relu", None),
        ("MaxPool.0", "MaxPool", None),  # Paddle
        ("p2o.pd_op.pool2d.0.0", "MaxPool", None),
        ("node_Conv_293", "Conv", None),  # PyTorch
        ("n12", "Relu", None),
        ("Conv__3391", "Conv", None),  # tf2onnx
        ("normalize/Transpose", "Transpose", None),
        ("", "Relu", None),
        ("123", "Relu", None),
    ],
)
def test_a_name_that_only_counts_tells_nothing(name: str, op_type: str, told: str | None) -> None:
    assert telling_name(name, op_type) == told


def noted(class_name: str, scopes: list[str]) -> onnx.NodeProto:
    node = helper.make_node("Relu", ["x"], ["y"])
    node.metadata_props.add(key="pkg.torch.onnx.name_scopes", value=repr(scopes))
    node.metadata_props.add(key="pkg.torch.onnx.class_hierarchy", value=repr(["net.Net", class_name, "aten.relu"]))
    return node


@pytest.mark.parametrize(
    ("class_name", "known"),
    [
        ("torch.nn.modules.activation.ReLU", "ReLU"),
        ("torch.nn.modules.container.Sequential", None),
        ("torch.nn.modules.activation.MultiheadAttention", None),
        ("net.ReLU", None),
    ],
)
def test_only_single_layers_of_torch_nn_have_a_class(class_name: str, known: str | None) -> None:
    module = module_of(noted(class_name, ["", "features.relu", "relu_1"]))
    assert module is not None
    assert (module.path, module.class_name) == ("features.relu", known)


def keras_convolution(node: str, weight: str, bias: str) -> onnx.ModelProto:
    made = [
        helper.make_node("Conv", ["image", weight, bias], ["c"], name=node),
        helper.make_node("Relu", ["c"], ["y"], name="model/conv1_relu/Relu"),
    ]
    values: Values = {weight: np.ones((2, 3, 3, 3), np.float32), bias: np.ones(2, np.float32)}
    model = network(made, {"image": (1, 3, 8, 8)}, ["y"], values=values)
    model.producer_name = "tf2onnx"
    return model


@pytest.mark.parametrize(
    ("node", "weight", "bias"),
    [
        ("Conv__12", "model/conv1/convolution/merged_input:0", "model/conv1_bn/batchnorm/sub:0"),
        ("model/conv1_bn/batchnorm/mul_1", "model/conv1/convolution/merged_input:0", "const_fold_opt__3"),
    ],
)
def test_a_batch_norm_that_tf2onnx_folded_into_a_convolution_is_said(node: str, weight: str, bias: str) -> None:
    layer = layers(keras_convolution(node, weight, bias))[0]
    assert (layer.id, layer.folded, layer.aliases) == ("conv1", ("conv1_bn",), ("conv1_bn", "conv_1"))


def test_a_keras_layer_with_its_activation_is_two_rows_of_one_name() -> None:
    made = [
        helper.make_node("Conv", ["image", "w"], ["c"], name="model/conv1/Conv2D"),
        helper.make_node("Relu", ["c"], ["r"], name="model/conv1/Relu"),
        helper.make_node("Transpose", ["r"], ["y"], name="model/conv1/Conv2D__9", perm=[0, 2, 3, 1]),
        helper.make_node("Sigmoid", ["y"], ["z"], name="model/gate/Sigmoid"),
    ]
    model = network(made, {"image": (1, 3, 8, 8)}, ["z"], weights={"w": (2, 3, 3, 3)})
    model.producer_name = "tf2onnx"
    assert [(layer.id, layer.stage) for layer in layers(model)] == [
        ("conv1", "network"),
        ("conv1.relu", "network"),
        ("transpose_1", "layout"),
        ("gate", "network"),
    ]


def test_a_module_that_shares_its_weights_with_another_keeps_its_own_name() -> None:
    """Exporters merge equal tensors: two layer norms as they were made have one scale."""
    made = []
    for index, name in enumerate(("norm1", "norm2")):
        node = helper.make_node("LayerNormalization", [f"t{index}", "norm1.weight"], [f"t{index + 1}"])
        node.metadata_props.add(key="pkg.torch.onnx.name_scopes", value=repr(["", name, "fx"]))
        made.append(node)
    model = network(made, {"t0": (1, 4)}, ["t2"], weights={"norm1.weight": (4,)})
    assert [layer.id for layer in layers(model)] == ["norm1", "norm2"]


def test_a_weight_of_a_module_used_by_a_function_around_it_names_its_own_module() -> None:
    node = helper.make_node("MatMul", ["x", "attention.query.weight"], ["y"])
    node.metadata_props.add(key="pkg.torch.onnx.name_scopes", value=repr(["", "attention", "fx"]))
    model = network([node], {"x": (1, 4)}, ["y"], weights={"attention.query.weight": (4, 4)})
    assert [layer.id for layer in layers(model)] == ["attention.query"]


def test_tensors_name_the_layers_of_a_file_whose_tool_named_them() -> None:
    made = [
        helper.make_node("MaxPool", ["image"], ["pool1_1"], kernel_shape=[2, 2]),
        helper.make_node("Relu", ["pool1_1"], ["r2"]),
    ]
    model = network(made, {"image": (1, 3, 8, 8)}, ["r2"])
    assert [layer.id for layer in layers(model)] == ["max_pool_1", "relu_1"]
    assert layers(model)[0].aliases == ("pool1_1",)
    model.producer_name = "onnx-caffe2"
    assert [layer.id for layer in layers(model)] == ["pool1_1", "relu_1"]
