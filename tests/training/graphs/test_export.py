"""The exported graph: readable, complete, the same bytes for the same weights, nothing of the machine inside."""

import onnx
import pytest
import torch

from training.graphs.export import OPSET, Exported, exported
from training.graphs.parity import layer_outputs
from training.graphs.runtime import onnx_logits, onnx_tensors
from training.networks import NETWORKS


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    network = NETWORKS["mnist_cnn"].published()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # as after training, so that folding it would show
            module.get_buffer("running_mean").uniform_()
            module.get_buffer("running_var").uniform_(0.5, 2)
    return network.eval()


@pytest.fixture(scope="module")
def graph(network: torch.nn.Module) -> Exported:
    return exported(network, (28, 28, 1))


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randint(0, 256, (5, 28, 28, 1), generator=torch.Generator().manual_seed(0)).to(torch.uint8)


def test_every_module_is_a_layer_under_its_path_in_order(network: torch.nn.Module, graph: Exported) -> None:
    assert [layer.id for layer in graph.layers] == [name for name, _ in network.named_children()]


def test_every_tensor_of_the_manifest_is_in_the_graph_and_equals_the_modules_output(
    network: torch.nn.Module, graph: Exported, images: torch.Tensor
) -> None:
    computed = {value for node in graph.model.graph.node for value in node.output}
    assert computed.issuperset(layer.tensor for layer in graph.layers)
    tensors = onnx_tensors(graph.model, [layer.tensor for layer in graph.layers], images)
    for name, expected in layer_outputs(network, [layer.id for layer in graph.layers], images).items():
        tensor = next(layer.tensor for layer in graph.layers if layer.id == name)
        torch.testing.assert_close(tensors[tensor], expected, atol=1e-4, rtol=1e-4)


def test_the_preprocessing_inside_the_graph_equals_torchs(
    network: torch.nn.Module, graph: Exported, images: torch.Tensor
) -> None:
    inside = onnx_tensors(graph.model, ["normalize"], images)["normalize"]
    assert torch.equal(inside, network.get_submodule("normalize")(images))


def test_the_input_is_uint8_pixels_and_the_output_logits_for_any_batch(graph: Exported, images: torch.Tensor) -> None:
    (image,), (logits,) = graph.model.graph.input, graph.model.graph.output
    assert (image.name, image.type.tensor_type.elem_type) == ("image", onnx.TensorProto.UINT8)
    assert [d.dim_param or d.dim_value for d in image.type.tensor_type.shape.dim] == ["batch", 28, 28, 1]
    assert (logits.name, logits.type.tensor_type.elem_type) == ("logits", onnx.TensorProto.FLOAT)
    assert [len(onnx_logits(graph.model, images[:count])) for count in (1, 2, 5)] == [1, 2, 5]


def test_a_layer_is_one_node_named_after_it_and_batch_normalisation_is_not_folded(graph: Exported) -> None:
    nodes = {node.name: node.op_type for node in graph.model.graph.node}
    assert nodes == {
        "normalize/Transpose": "Transpose",
        "normalize/Cast": "Cast",
        "normalize/Sub": "Sub",
        "normalize": "Div",
        **{f"conv{stage}": "Conv" for stage in (1, 2, 3)},
        **{f"bn{stage}": "BatchNormalization" for stage in (1, 2, 3)},
        **{f"relu{stage}": "Relu" for stage in (1, 2, 3)},
        **{f"pool{stage}": "MaxPool" for stage in (1, 2, 3)},
        "flatten": "Flatten",
        "dense": "Gemm",
    }


def test_the_weights_keep_their_names_and_their_bits(network: torch.nn.Module, graph: Exported) -> None:
    inside = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.model.graph.initializer}
    expected = {name: value for name, value in network.state_dict().items() if "num_batches" not in name}
    assert inside.keys() == expected.keys()
    assert all(torch.equal(torch.from_numpy(inside[name].copy()), value) for name, value in expected.items())


def test_the_opset_is_stated_and_the_same_weights_give_the_same_bytes(
    network: torch.nn.Module, graph: Exported
) -> None:
    assert [(opset.domain, opset.version) for opset in graph.model.opset_import] == [("", OPSET)]
    assert exported(network, (28, 28, 1)).model.SerializeToString() == graph.model.SerializeToString()


def test_no_path_and_no_source_line_of_this_machine_is_inside(graph: Exported) -> None:
    content = graph.model.SerializeToString()
    assert not [trace for trace in (b"stack_trace", b"fx_node", b".py", b"pkg.torch", b"self.") if trace in content]
    assert not [tensor for tensor in graph.model.graph.initializer if tensor.external_data]


def test_exporting_says_nothing_and_leaves_the_log_as_it_was(
    network: torch.nn.Module, capfd: pytest.CaptureFixture[str]
) -> None:
    exported(network, (28, 28, 1))
    assert capfd.readouterr() == ("", "")


def test_a_residual_block_and_a_global_pooling_are_layers_of_one_node_each() -> None:
    residual = exported(NETWORKS["resnet18_small"].published(), (32, 32, 3))
    layers = {layer.id for layer in residual.layers}
    assert {"layer1.0.conv1", "layer1.0.relu1", "layer1.0.add", "layer1.0.relu2", "layer2.0.downsample.1"} <= layers
    nodes = {node.name: node.op_type for node in residual.model.graph.node}
    assert (nodes["avgpool"], nodes["layer4.1.add"]) == ("GlobalAveragePool", "Add")
    assert len(nodes) == 3 + len(layers)  # what Normalize needs besides its last node
