"""The nodes of a graph as layers: which nodes belong together, and what they are together.

In this order: Identity nodes are no layers; known formulas; what one module of torch.nn computed; padding that belongs
to the window behind it. A group has one last node, and what its other nodes make is read by no one else. Where that is
in doubt, nodes stay apart. Knows no names for people; cost: a few passes over the nodes.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import onnx

from service.inspection.conditions import axes_of, holds
from service.inspection.constants import (
    Constants,
    Setting,
    constants_of,
    count_of,
    image_inputs,
    number,
    opset_of,
    read_tensors,
)
from service.inspection.exporter_names import KerasNames, Module, keras_names, module_of, torch_path
from service.inspection.kinds import kind_of, kind_of_module
from service.inspection.matching import Budget, Graph, Match, graph_of, matches

# Of words in formulas: a layer's weights in the order in which the standard operator has them.
_WEIGHT_ORDER = ("weight", "scale", "slope", "factor", "bias", "shift", "mean", "deviation")
_PIXEL_ARITHMETIC = frozenset(
    {"cast", "transpose", "mul", "add", "sub", "div", "identity", "reshape", "gather", "dequantize_linear"}
)
_PADDED = frozenset({"conv", "max_pool", "average_pool"})
_LOWEST = -1e30


@dataclass(frozen=True)
class Step:
    """Nodes that make one layer, in the graph's order. `settings` are those of its main node and of its constants."""

    nodes: tuple[onnx.NodeProto, ...]
    kind: str
    inputs: tuple[str, ...]
    weights: tuple[str, ...]
    outputs: tuple[str, ...]
    settings: Mapping[str, Setting]
    also: tuple[str, ...] = ()  # other words for its kind


@dataclass(frozen=True)
class Grouped:
    """`names` say how the file names its nodes, where it does so by layers."""

    steps: tuple[Step, ...]
    constants: Constants
    names: KerasNames | None


def grouped(model: onnx.ModelProto) -> Grouped:
    """The steps in the order in which their last nodes stand in the file."""
    constants = constants_of(model.graph)
    names = keras_names(model.graph.node)
    alive = [node for node in model.graph.node if any(node.output) and not _all_constant(node, constants)]
    original = _originals(alive, model.graph)
    nodes = [node for node in alive if not original.keys() >= set(node.output)]
    graph = graph_of(nodes, model.graph, constants, opset_of(model), original)
    pixels = _pixels(nodes, model.graph, constants)
    steps = _steps(nodes, graph, lambda node: scope_of(node, names), pixels)
    steps = _by_module(steps, graph)
    steps = _with_padding(steps, graph, names)
    return Grouped(tuple(_with_identities(steps, original)), constants, names)


def scope_of(node: onnx.NodeProto, names: KerasNames | None) -> str | None:
    """The module or Keras layer that the node was written by; None where nothing says so."""
    module = module_of(node)
    if module is not None:
        return module.path or None
    return torch_path(node) or (names.layer(node.name) if names else None)


def _all_constant(node: onnx.NodeProto, constants: Constants) -> bool:
    return all(name in constants for name in node.output if name)


def _originals(nodes: Sequence[onnx.NodeProto], graph: onnx.GraphProto) -> dict[str, str]:
    """Of what plain Identity nodes put out: the tensor it is. A Dropout that does nothing any more was a layer."""
    fed = {value.name for value in graph.input}
    original: dict[str, str] = {}
    for node in nodes:
        if node.op_type != "Identity" or node.domain not in ("", "ai.onnx") or len(node.input) != 1:
            continue
        source = original.get(node.input[0], node.input[0])
        module = module_of(node)
        if source not in fed and (module is None or "Dropout" not in (module.class_name or "")):
            original[node.output[0]] = source
    return original


def _pixels(nodes: Sequence[onnx.NodeProto], graph: onnx.GraphProto, constants: Constants) -> frozenset[str]:
    """Tensors that are the image itself, but for casts, moved axes and arithmetic with constants."""
    pixels = {value.name for value in image_inputs(graph)}
    for node in nodes:
        if kind_of(node.op_type, node.domain) in _PIXEL_ARITHMETIC and all(
            name in pixels or name in constants for name in read_tensors(node)
        ):
            pixels.update(node.output)
    return frozenset(pixels)


# --- one node, or a formula


def _steps(
    nodes: Sequence[onnx.NodeProto],
    graph: Graph,
    scope: Callable[[onnx.NodeProto], str | None],
    pixels: frozenset[str],
) -> list[Step]:
    budget = Budget.of(len(nodes))
    place = {id(node): index for index, node in enumerate(nodes)}
    taken: set[int] = set()
    steps = []
    # From the end: the node that ends the larger formula comes first.
    for node in reversed(nodes):
        if id(node) in taken:
            continue
        match = _known(node, graph, scope, pixels, taken, budget)
        made = [node] if match is None else sorted(match.nodes.values(), key=lambda n: place[id(n)])
        taken.update(map(id, made))
        steps.append(_plain(node, graph) if match is None else _from_match(match, made, graph))
    return steps[::-1]


def _known(
    node: onnx.NodeProto,
    graph: Graph,
    scope: Callable[[onnx.NodeProto], str | None],
    pixels: frozenset[str],
    taken: set[int],
    budget: Budget,
) -> Match | None:
    if node.output[0] in pixels or len(node.output) != 1:
        return None
    for match in matches(node, graph, budget):
        free = taken.isdisjoint(map(id, match.nodes.values()))
        if free and _of_one_module(match.nodes.values()) and holds(match, graph, scope):
            return match
    return None


def _of_one_module(nodes: Iterable[onnx.NodeProto]) -> bool:
    """PyTorch notes where one layer ends: a `Sigmoid` module and a product behind it are no SiLU."""
    group = list(nodes)
    modules = {module_of(node) for node in group}
    paths = {torch_path(node) for node in group if node.name.startswith("/")}
    return len(paths) <= 1 and (len(modules) == 1 or not any(module and module.class_name for module in modules))


def _plain(node: onnx.NodeProto, graph: Graph) -> Step:
    constant = [name for name in dict.fromkeys(read_tensors(node)) if name in graph.constants]
    return Step(
        nodes=(node,),
        kind=_kind(node, graph.constants),
        inputs=_read_outside([node], graph),
        weights=tuple(name for name in constant if not _is_zero(name, graph.constants)),
        outputs=tuple(filter(None, node.output)),
        settings=_settings(node, graph),
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
    return kind_of(node.op_type, node.domain)


def _is_zero(name: str, constants: Constants) -> bool:
    """The bias that torch.onnx writes for a convolution without one: a single zero, expanded."""
    node = constants.computed.get(name)
    return node is not None and node.op_type == "Expand" and number(node.input[0], constants) == 0


def _from_match(match: Match, nodes: Sequence[onnx.NodeProto], graph: Graph) -> Step:
    kind = match.pattern.kind
    words = sorted((word for word in match.bound if word in _WEIGHT_ORDER), key=_WEIGHT_ORDER.index)
    lone = kind_of(nodes[0].op_type) if len(nodes) == 1 else kind
    return Step(
        nodes=tuple(nodes),
        kind=kind,
        inputs=_read_outside(nodes, graph),
        weights=tuple(match.bound[word] for word in words),
        outputs=(nodes[-1].output[0],),
        settings=_main_settings(match, graph) | _named_settings(match, graph),
        also=(lone,) if lone != kind else (),
    )


def _read_outside(nodes: Sequence[onnx.NodeProto], graph: Graph) -> tuple[str, ...]:
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
        kernel = graph.settings(match.of_type("AveragePool")[0])["kernel_shape"]
        found["size"] = max(int(size) for size in kernel) if isinstance(kernel, tuple) else 1
    if match.pattern.kind == "group_norm":
        groups = count_of(match.of_type("InstanceNormalization")[0].input[1], graph.constants)
        found |= {"num_groups": groups} if groups else {}
    axes = axes_of(match, graph)
    if match.pattern.kind == "softmax" and axes is not None and len(axes) == 1:
        found["axis"] = min(axes)
    if match.pattern.kind == "layer_norm" and axes:
        found["axes"] = tuple(sorted(axes))
    return found


def _settings(node: onnx.NodeProto, graph: Graph) -> dict[str, Setting]:
    """With the kernel's size taken from the weight where a convolution does not state it."""
    found = graph.settings(node)
    if node.op_type in ("Conv", "ConvTranspose") and "kernel_shape" not in found and len(node.input) > 1:
        weight = graph.constants.initializers.get(node.input[1])
        if weight is not None:
            found["kernel_shape"] = tuple(weight.dims[2:])
    return found


# --- what one module computed


def _by_module(steps: Sequence[Step], graph: Graph) -> list[Step]:
    """Neighbours that one module of torch.nn wrote which is one layer to a person, though several nodes."""
    made: list[Step] = []
    for module, run in groupby(steps, _module):
        members = list(run)
        kind = kind_of_module(module.class_name or "") if module else None
        if kind is None or len(members) < 2:
            made += members
            continue
        for call in _calls(members):
            made += [_joined(call, kind, graph)] if len(call) > 1 and _is_closed(call, graph) else call
    return made


def _module(step: Step) -> Module | None:
    return module_of(step.nodes[-1])


def _calls(members: Sequence[Step]) -> list[list[Step]]:
    """A module called twice in a row wrote the same operators twice."""
    written = [step.kind for step in members]
    for length in range(1, len(members) // 2 + 1):
        if len(members) % length == 0 and written == written[:length] * (len(members) // length):
            return [list(members[start : start + length]) for start in range(0, len(members), length)]
    return [list(members)]


def _is_closed(call: Sequence[Step], graph: Graph) -> bool:
    inside = Counter(graph.tensor(name) for step in call for node in step.nodes for name in read_tensors(node))
    inner = [name for step in call[:-1] for name in step.outputs]
    return len(call[-1].outputs) == 1 and all(
        graph.readers[name] == inside[name] and name not in graph.outputs for name in inner
    )


def _joined(call: Sequence[Step], kind: str, graph: Graph) -> Step:
    nodes = [node for step in call for node in step.nodes]
    weights = dict.fromkeys(name for step in call for name in step.weights if number(name, graph.constants) is None)
    return Step(tuple(nodes), kind, _read_outside(nodes, graph), tuple(weights), call[-1].outputs, {})


# --- padding written apart from the window it is for


def _with_padding(steps: Sequence[Step], graph: Graph, names: KerasNames | None) -> list[Step]:
    pads = {step.outputs[0]: step for step in steps if step.kind == "pad" and len(step.nodes) == 1}
    absorbed: set[str] = set()
    made = []
    for step in steps:
        pad = pads.get(graph.tensor(step.inputs[0])) if step.inputs and step.kind in _PADDED else None
        padded = None if pad is None else _padded(step, pad, graph, names)
        if pad is not None and padded is not None:
            absorbed.add(pad.outputs[0])
        made.append(padded or step)
    return [step for step in made if step.outputs[0] not in absorbed]


def _padded(step: Step, pad: Step, graph: Graph, names: KerasNames | None) -> Step | None:
    """The window with the padding before it as its own; None where that would not be the same."""
    own_layer = scope_of(pad.nodes[0], names)
    if own_layer is not None and own_layer != scope_of(step.nodes[0], names):
        return None
    if graph.readers[pad.outputs[0]] != 1 or pad.outputs[0] in graph.outputs:
        return None
    pads = _summed_pads(step, pad)
    if pads is None or not _pads_with_what_the_window_would(step, pad, graph):
        return None
    settings = {**step.settings, "pads": pads, "auto_pad": "NOTSET"}
    if step.kind == "average_pool":
        settings["count_include_pad"] = 1
    return replace(step, nodes=(*pad.nodes, *step.nodes), inputs=(pad.inputs[0], *step.inputs[1:]), settings=settings)


def _summed_pads(step: Step, pad: Step) -> tuple[int, ...] | None:
    own, added, kernel = step.settings.get("pads"), pad.settings.get("pads"), step.settings.get("kernel_shape")
    explicit = step.settings.get("auto_pad", "NOTSET") in ("NOTSET", "VALID") and not step.settings.get("ceil_mode")
    if not isinstance(added, tuple) or not isinstance(kernel, tuple) or not explicit or len(pad.inputs) != 1:
        return None
    axes = len(kernel)
    if len(added) != 2 * (axes + 2) or any(added[:2]) or any(added[axes + 2 : axes + 4]) or "axes" in pad.settings:
        return None
    outer = (*added[2 : axes + 2], *added[axes + 4 :])
    inner = own if isinstance(own, tuple) and len(own) == 2 * axes else (0,) * (2 * axes)
    summed = tuple(int(a) + int(b) for a, b in zip(outer, inner, strict=True))
    return summed if min(map(int, outer)) >= 0 else None


def _pads_with_what_the_window_would(step: Step, pad: Step, graph: Graph) -> bool:
    """Zeros before a convolution or an average that counts them; nothing that could win before a maximum."""
    node = pad.nodes[0]
    value = pad.settings.get("value", 0.0)
    if len(node.input) > 2 and node.input[2]:
        given = number(node.input[2], graph.constants)
        value = float("nan") if given is None else given
    if pad.settings.get("mode", "constant") != "constant" or not isinstance(value, int | float):
        return False
    if step.kind == "max_pool":
        return value < _LOWEST
    own = step.settings.get("pads")
    counts_all = (
        step.kind == "conv" or not isinstance(own, tuple) or not any(own) or step.settings.get("count_include_pad")
    )
    return value == 0 and bool(counts_all)


def _with_identities(steps: Iterable[Step], original: Mapping[str, str]) -> Iterator[Step]:
    """What an Identity calls a tensor is an output of the layer that made it."""
    others: dict[str, list[str]] = {}
    for name, source in original.items():
        others.setdefault(source, []).append(name)
    for step in steps:
        yield replace(step, outputs=(*step.outputs, *(name for out in step.outputs for name in others.get(out, ()))))
