"""A PyTorch network as one readable ONNX graph: every layer visible, each tensor named after its layer.

Writes no file and does not check the answers; `training.graphs.parity` does. Same weights, same versions: same bytes.
"""

import ast
import logging
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import onnx
import torch
from onnx import NodeProto
from torch import nn

from service.engine.model_metadata import ManifestLayer
from training.networks.layers.global_average_pool import GlobalAveragePool
from training.networks.layers.global_max_pool import GlobalMaxPool

OPSET = 20
SCOPES = "pkg.torch.onnx.name_scopes"


@dataclass(frozen=True)
class Exported:
    """The graph, `image` uint8 [batch, height, width, channels] -> `logits` float32 [batch, classes]; its layers."""

    model: onnx.ModelProto
    layers: tuple[ManifestLayer, ...]


def exported(network: nn.Module, input_shape: tuple[int, int, int]) -> Exported:
    """The network in evaluation mode, for any batch of images of `input_shape` (height, width, channels). 3-6 s.

    BatchNorm is not folded into its convolution, so that both stay visible; ONNX Runtime folds it when it loads.
    """
    from onnxscript.optimizer import remove_unused_nodes  # noqa: PLC0415 - a second that only an export need wait

    network.eval()
    model = _traced(network, input_shape)
    modules = dict(network.named_modules())
    learnt = network.state_dict()
    for node in model.graph.node:
        if node.op_type == "Conv" and not set(node.input[2:]) <= learnt.keys():
            _drop_bias(node)
        repair = _REPAIRS.get((type(modules.get(_layer(node))), node.op_type))
        if repair is not None:
            repair(node)
    remove_unused_nodes(model)
    layers = _renamed(model, modules)
    _strip(model)
    onnx.checker.check_model(model, full_check=True)
    return Exported(model, layers)


def _traced(network: nn.Module, input_shape: tuple[int, int, int]) -> onnx.ModelProto:
    from onnxscript.optimizer import fold_constants  # noqa: PLC0415 - likewise

    # A batch of 1 would be taken for a constant, so the example has 2 images.
    example = torch.zeros(2, *input_shape, dtype=torch.uint8)
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            optimize=False,
            opset_version=OPSET,
            external_data=False,
            input_names=["image"],
            output_names=["logits"],
            dynamic_shapes=({0: "batch"},),
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export gave no program")
    fold_constants(program.model)
    return program.model_proto


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's notes: that torchvision is absent (log), that torch deprecates torch's own calls."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        log.setLevel(level)


def _layer(node: NodeProto) -> str:
    """The path of the module in whose `forward` the node arose; "" for the network itself."""
    scopes = next((p.value for p in node.metadata_props if p.key == SCOPES), "['', '']")
    return str(ast.literal_eval(scopes)[-2])


def _drop_bias(convolution: NodeProto) -> None:
    """The exporter gives one of zeros to a convolution without; nobody learnt it, and it would be counted."""
    del convolution.input[2:]


def _make_flatten(reshape: NodeProto) -> None:
    """One node instead of seven: the exporter computes the target shape of a flatten from the batch size."""
    reshape.op_type = "Flatten"
    del reshape.input[1:]
    del reshape.attribute[:]
    reshape.attribute.append(onnx.helper.make_attribute("axis", 1))


def _make_global_pool(name: str, reduction: NodeProto) -> None:
    """By its own name: what quantises or optimises a graph knows this pooling, and no mean over two axes."""
    reduction.op_type = name
    del reduction.input[1:]
    del reduction.attribute[:]


_REPAIRS: dict[tuple[type[nn.Module] | type[None], str], Callable[[NodeProto], None]] = {
    (nn.Flatten, "Reshape"): _make_flatten,
    (GlobalAveragePool, "ReduceMean"): partial(_make_global_pool, "GlobalAveragePool"),
    (GlobalMaxPool, "ReduceMax"): partial(_make_global_pool, "GlobalMaxPool"),
}  # by the module whose layer it is, and by what the exporter makes of it


def _renamed(model: onnx.ModelProto, modules: dict[str, nn.Module]) -> tuple[ManifestLayer, ...]:
    """Names every node and value after its layer, `conv1`, or `normalize/Cast` inside one of several nodes.

    Returns the manifest, in the order in which the layers' outputs are computed.
    """
    last = {_layer(node): index for index, node in enumerate(model.graph.node)}
    kept = {output.name for output in model.graph.output}
    taken: Counter[str] = Counter()
    names: dict[str, str] = {}
    layers = []
    for index, node in enumerate(model.graph.node):
        layer = _layer(node)
        ends = last[layer] == index
        node.name = _unique(layer if ends and layer else f"{layer}/{node.op_type}", taken)
        for position, value in enumerate(node.output):
            if value not in kept:
                names[value] = node.name if position == 0 else f"{node.name}.{position}"
        if ends and layer:
            tensor = names.get(node.output[0], node.output[0])
            layers.append(ManifestLayer(id=layer, kind=type(modules[layer]).__name__, tensor=tensor))
    _rename_values(model, names)
    return tuple(layers)


def _unique(name: str, taken: Counter[str]) -> str:
    taken[name] += 1
    return name if taken[name] == 1 else f"{name}_{taken[name]}"


def _rename_values(model: onnx.ModelProto, names: dict[str, str]) -> None:
    for node in model.graph.node:
        node.input[:] = [names.get(value, value) for value in node.input]
        node.output[:] = [names.get(value, value) for value in node.output]
    weights = {tensor.name for tensor in model.graph.initializer}
    shapes = [value for value in model.graph.value_info if value.name in names and value.name not in weights]
    for value in shapes:
        value.name = names[value.name]
    del model.graph.value_info[:]
    model.graph.value_info.extend(shapes)


def _strip(model: onnx.ModelProto) -> None:
    """Removes the exporter's notes: source lines and paths of this machine, names that change from run to run."""
    graph = model.graph
    parts: list[Any] = [model, graph]  # protobuf's classes share these two fields, but no type that says so
    for field in (graph.node, graph.input, graph.output, graph.value_info, graph.initializer):
        parts.extend(field)
    for part in parts:
        del part.metadata_props[:]
        part.doc_string = ""
