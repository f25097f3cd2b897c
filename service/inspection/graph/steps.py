"""One layer before it has a name: its nodes, and what they read, give and are set to.

Decides nothing about which nodes belong together; that is `service.inspection.graph.grouping`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx

from service.inspection.graph.conditions import axes_of
from service.inspection.graph.constants import Constants, Setting, count_of, integers_of, number, read_tensors
from service.inspection.graph.exporter_names import module_of
from service.inspection.graph.kinds import kind_of
from service.inspection.graph.matching import Graph, Match

PLAIN_SOFTMAX = 13  # the first opset whose Softmax is over one axis, and by default over the last
# Of words in formulas: a layer's weights in the order in which the standard operator has them.
_WEIGHT_ORDER = ("weight", "scale", "slope", "factor", "bias", "shift", "mean", "deviation")


@dataclass(frozen=True)
class Step:
    """Nodes that make one layer, in the graph's order. `settings` are those of its main node and of its constants.

    `operands` are what a single node reads, in its own order, empty for a layer of several.
    """

    nodes: tuple[onnx.NodeProto, ...]
    kind: str
    inputs: tuple[str, ...]
    weights: tuple[str, ...]
    outputs: tuple[str, ...]
    settings: Mapping[str, Setting]
    also: tuple[str, ...] = ()  # other words for its kind
    operands: tuple[str, ...] = ()


def plain_step(node: onnx.NodeProto, graph: Graph) -> Step:
    """A node that is a layer by itself."""
    constant = [name for name in dict.fromkeys(read_tensors(node)) if name in graph.constants]
    return Step(
        nodes=(node,),
        kind=_kind(node, graph.constants),
        inputs=read_outside([node], graph),
        weights=tuple(name for name in constant if not _is_zero(name, graph.constants)),
        outputs=tuple(filter(None, node.output)),
        settings=_settings(node, graph),
        operands=tuple(map(graph.tensor, node.input)),
    )


def _kind(node: onnx.NodeProto, constants: Constants) -> str:
    """Of one node: its operator's, unless its weight or its module says more."""
    if node.domain in ("", "ai.onnx"):
        module = module_of(node)
        class_name = (module.class_name if module else None) or ""
        if node.op_type in ("Gemm", "MatMul") and len(node.input) > 1 and node.input[1] in constants:
            return "dense"
        if node.op_type == "Identity" and "Dropout" in class_name:
            return "dropout"
        if node.op_type == "Reshape" and class_name == "Flatten":
            return "flatten"
        if node.op_type == "Swish" and any(each.name == "alpha" and each.f != 1 for each in node.attribute):
            return "swish"
    return kind_of(node.op_type, node.domain)


def _is_zero(name: str, constants: Constants) -> bool:
    """The bias that torch.onnx writes for a convolution without one: a single zero, expanded."""
    node = constants.computed.get(name)
    return node is not None and node.op_type == "Expand" and number(node.input[0], constants) == 0


def step_of_match(match: Match, nodes: Sequence[onnx.NodeProto], graph: Graph) -> Step:
    """A known layer; `nodes` are the match's in the graph's order."""
    kind = match.pattern.kind
    words = sorted((word for word in match.bound if word in _WEIGHT_ORDER), key=_WEIGHT_ORDER.index)
    lone = kind_of(nodes[0].op_type) if len(nodes) == 1 else kind
    return Step(
        nodes=tuple(nodes),
        kind=kind,
        inputs=read_outside(nodes, graph),
        weights=tuple(match.bound[word] for word in words),
        outputs=(nodes[-1].output[0],),
        settings=_main_settings(match, graph) | _named_settings(match, graph),
        also=(lone,) if lone != kind else (),
    )


def read_outside(nodes: Sequence[onnx.NodeProto], graph: Graph) -> tuple[str, ...]:
    """The tensors that depend on the image and come from elsewhere, in call order."""
    made = {name for node in nodes for name in node.output}
    read = (name for node in nodes for name in read_tensors(node))
    outside = (name for name in map(graph.tensor, read) if name not in graph.constants and name not in made)
    return tuple(dict.fromkeys(outside))


def _main_settings(match: Match, graph: Graph) -> dict[str, Setting]:
    """Those of the one node that a person would call the layer."""
    if len(match.nodes) == 1:
        return _settings(next(iter(match.nodes.values())), graph)
    main = [n for n in match.nodes.values() if n.op_type in ("Conv", "ConvTranspose", "Gemm", "InstanceNormalization")]
    return _settings(main[0], graph) if main else {}


def _named_settings(match: Match, graph: Graph) -> dict[str, Setting]:
    """By the names that the standard operator has for them."""
    found: dict[str, Setting] = {{"k": "bias"}.get(word, word): value for word, value in match.scalars.items()}
    if match.pattern.kind == "local_response_norm":
        kernel = integers_of(graph.settings(match.of_type("AveragePool")[0]).get("kernel_shape"))
        found["size"] = max(kernel or (1,))
    for norm in match.of_type("InstanceNormalization"):
        groups = count_of(norm.input[1], graph.constants)
        found |= {"num_groups": groups} if groups else {}
    axes = axes_of(match, graph)
    if match.pattern.kind == "softmax" and axes is not None and len(axes) == 1:
        found["axis"] = min(axes)
    if match.pattern.kind == "layer_norm" and axes:
        found["axes"] = tuple(sorted(axes))
    return found


def _settings(node: onnx.NodeProto, graph: Graph) -> dict[str, Setting]:
    """With the kernel's size taken from the weight where a convolution does not state it, and a softmax's axis from the
    opset, which changed it.
    """
    found = graph.settings(node)
    if node.op_type in ("Softmax", "LogSoftmax"):
        found.setdefault("axis", 1 if graph.opset < PLAIN_SOFTMAX else -1)
    if node.op_type in ("Conv", "ConvTranspose") and "kernel_shape" not in found and len(node.input) > 1:
        weight = graph.constants.initializers.get(node.input[1])
        if weight is not None:
            found["kernel_shape"] = tuple(weight.dims[2:])
    return found
