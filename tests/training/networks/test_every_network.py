"""Every network: one step, the export, the service's own table of its layers.

The dense layers of AlexNet and VGG hold 58 to 124 million weights; here their hidden ones have 64 units, so that this
takes seconds and little memory. What the full ones hold, `test_networks` works out without numbers.
"""

from dataclasses import dataclass
from math import isfinite

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, cross_entropy

from service.engine import model_file
from service.engine.model_metadata import ModelMetadata, with_metadata
from service.images.preprocessing import Preprocessing
from service.inspection.shapes.layer_shapes import layer_shapes
from tests.training.networks.stages import on_paper, stated_shapes
from training.graphs.export import Exported, exported
from training.graphs.half_precision import halved
from training.graphs.parity import check_parity
from training.graphs.quantization import quantized
from training.graphs.runtime import onnx_logits
from training.networks import NETWORKS
from training.networks.layers.local_contrast_norm import LocalContrastNorm
from training.networks.layers.normalize import Normalize
from training.networks.measuring import measure

NARROWED = {
    "alexnet": ("fc6", "fc7", "fc8"),
    "vgg11": ("classifier.0", "classifier.3", "classifier.6"),
    "vgg16": ("classifier.0", "classifier.3", "classifier.6"),
}
WIDTH = 64
# Dropout does nothing once trained; padding is stated with the window behind it.
NO_ROW = (nn.Dropout, nn.ZeroPad2d)


@dataclass(frozen=True)
class Stepped:
    """After one step on two random images; `before` are the weights as they were."""

    name: str
    network: nn.Module
    before: dict[str, Tensor]
    loss: float
    graph: Exported


@pytest.fixture(scope="module", params=NETWORKS)
def stepped(request: pytest.FixtureRequest) -> Stepped:
    torch.manual_seed(0)
    network = built(request.param)
    images = pictures(request.param)
    measure(network, images)
    before = {name: weights.detach().clone() for name, weights in network.named_parameters()}
    network.train()
    loss = cross_entropy(network(images), torch.tensor([0, 1]))
    loss.backward()  # type: ignore[no-untyped-call] # torch's own
    torch.optim.Adam(network.parameters(), lr=1e-3).step()
    return Stepped(request.param, network, before, loss.item(), exported(network, NETWORKS[request.param].input_shape))


def built(name: str) -> nn.Module:
    """As published, with few hidden units where there are thousands."""
    if name not in NARROWED:
        return NETWORKS[name].published()
    network = on_paper(name)
    first, second, last = NARROWED[name]
    for layer, inputs, outputs in ((first, 0, WIDTH), (second, WIDTH, WIDTH), (last, WIDTH, 0)):
        wide = network.get_submodule(layer)
        assert isinstance(wide, nn.Linear)
        narrow = nn.Linear(inputs or wide.in_features, outputs or wide.out_features, device="meta")
        network.set_submodule(layer, narrow)
    network.to_empty(device="cpu")
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.reset_parameters()
    return network


def pictures(name: str, count: int = 2) -> Tensor:
    drawn = torch.randint(0, 256, (count, *NETWORKS[name].input_shape), generator=torch.Generator().manual_seed(0))
    return drawn.to(torch.uint8)


def expected_shapes(name: str) -> dict[str, str]:
    narrowed = {"4096": str(WIDTH)} if name in NARROWED else {}
    return {stage: narrowed.get(shape, shape) for stage, shape in stated_shapes(name).items()}


def end_of(stage: str, layers: list[str]) -> str:
    """The layer whose output is the stage's: itself, or the last one inside it."""
    return [layer for layer in layers if layer == stage or layer.startswith(f"{stage}.")][-1]


def test_one_step_changes_every_weight_that_learns_and_no_other(stepped: Stepped) -> None:
    assert isfinite(stepped.loss)
    for name, weights in stepped.network.named_parameters():
        assert torch.isfinite(weights).all(), name
        assert torch.equal(weights, stepped.before[name]) != weights.requires_grad, name


def test_the_exported_graph_gives_what_every_layer_gives(stepped: Stepped) -> None:
    check_parity(stepped.network, stepped.graph, pictures(stepped.name, 3))


def test_the_service_states_the_shape_in_the_comment_of_every_stage(stepped: Stepped) -> None:
    height, width, channels = NETWORKS[stepped.name].input_shape
    metadata = ModelMetadata(
        class_names=tuple(map(str, range(NETWORKS[stepped.name].classes))),
        preprocessing=Preprocessing(height=height, width=width, color="gray" if channels == 1 else "rgb"),
        layers=stepped.graph.layers,
    )
    file = model_file.from_bytes(with_metadata(stepped.graph.model, metadata).SerializeToString())
    table = layer_shapes(file.model, file.metadata.layers)
    shapes = {row.id: "x".join(map(str, (row.output_shape or ())[1:])) for row in table.layers}
    layers = [layer.id for layer in file.metadata.layers]
    seen = {
        stage: shapes[end_of(stage, layers)]
        for stage in stated_shapes(stepped.name)
        if not isinstance(stepped.network.get_submodule(stage), NO_ROW)
    }
    assert table.totals.unknown_layers == 0
    assert seen == {stage: shape for stage, shape in expected_shapes(stepped.name).items() if stage in seen}


def test_the_file_holds_the_networks_weights_and_the_service_counts_as_many(stepped: Stepped) -> None:
    network, graph = stepped.network, stepped.graph
    named = {name for name in network.state_dict() if not name.endswith("num_batches_tracked")}
    assert named <= {weight.name for weight in graph.model.graph.initializer}
    learnt = sum(weights.numel() for weights in network.parameters())
    # Fixed kernels, which the file cannot tell from learnt ones.
    fixed = sum(module.weights.numel() for module in network.modules() if isinstance(module, LocalContrastNorm))
    assert layer_shapes(graph.model, graph.layers).totals.parameters == learnt + fixed


def test_the_8_bit_form_answers_nearly_the_same(stepped: Stepped) -> None:
    images = pictures(stepped.name, 8)
    whole, small = onnx_logits(stepped.graph.model, images), onnx_logits(quantized(stepped.graph, images).model, images)
    assert float(cosine_similarity(small.flatten(), whole.flatten(), dim=0)) > 0.8


def test_the_float16_form_answers_nearly_the_same(stepped: Stepped) -> None:
    images = pictures(stepped.name, 8)
    whole, half = onnx_logits(stepped.graph.model, images), onnx_logits(halved(stepped.graph).model, images)
    assert float((half - whole).abs().mean()) < 0.02 * float(whole.abs().mean())


def test_alexnets_padding_of_one_and_a_half_is_a_pixel_here_and_two_there() -> None:
    torch.manual_seed(0)
    graph = exported(built("alexnet").eval(), NETWORKS["alexnet"].input_shape)
    (conv1,) = [row for row in layer_shapes(graph.model, graph.layers).layers if row.id == "conv1"]
    assert conv1.padding == ((1, 2), (1, 2))
    assert conv1.output_shape is not None
    assert conv1.output_shape[1:] == (96, 55, 55)


def test_every_module_is_one_node_but_those_that_compute_in_steps(stepped: Stepped) -> None:
    nodes = [node.name for node in stepped.graph.model.graph.node if node.op_type != "Constant"]
    several = {name.split("/")[0] for name in nodes if "/" in name}
    assert all(isinstance(stepped.network.get_submodule(name), Normalize | LocalContrastNorm) for name in several)
    leaves = [name for name, module in stepped.network.named_modules() if not list(module.children())]
    silent = {name for name in leaves if isinstance(stepped.network.get_submodule(name), nn.Dropout)}
    assert {layer.id for layer in stepped.graph.layers} == set(leaves) - silent
