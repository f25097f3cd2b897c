"""The nodes of a graph as layers: which nodes belong together.

In this order: Identity nodes are no layers; known formulas; what one module of torch.nn computed; padding that belongs
to the window behind it. A group has one last node, and what its other nodes make is read by no one else. Where that is
in doubt, nodes stay apart. Knows no names for people; cost: a few passes over the nodes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import onnx

from service.inspection.graph.conditions import Scope, holds
from service.inspection.graph.constants import Constants, constants_of, image_inputs, opset_of, read_tensors
from service.inspection.graph.exporter_names import KerasNames, keras_names, module_of, scope_of, torch_path
from service.inspection.graph.kinds import PIXEL_ARITHMETIC, kind_of
from service.inspection.graph.matching import Budget, Graph, Match, graph_of, matches
from service.inspection.graph.steps import Step, plain_step, step_of_match
from service.inspection.graph.torch_modules import joined_by_module
from service.inspection.graph.window_padding import with_padding


@dataclass(frozen=True)
class Grouped:
    """`names` say how the file names its nodes, where it does so by layers; `named`: whether it names any."""

    steps: tuple[Step, ...]
    constants: Constants
    names: KerasNames | None
    named: bool


def grouped(model: onnx.ModelProto) -> Grouped:
    """The steps in the order in which their last nodes stand in the file."""
    constants = constants_of(model.graph)
    names = keras_names(model.graph.node)
    alive = [node for node in model.graph.node if any(node.output) and not _all_constant(node, constants)]
    original = _originals(alive, model.graph)
    nodes = [node for node in alive if not original.keys() >= set(node.output)]
    graph = graph_of(nodes, model.graph, constants, opset_of(model), original)
    pixels = _pixels(nodes, model.graph, constants)
    scope = partial(scope_of, names=names)
    steps = with_padding(joined_by_module(_steps(nodes, graph, scope, pixels), graph), graph, scope)
    named = bool(model.producer_name) or any(node.name for node in nodes)
    return Grouped(tuple(_with_identities(steps, original)), constants, names, named)


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
        if kind_of(node.op_type, node.domain) in PIXEL_ARITHMETIC and all(
            name in pixels or name in constants for name in read_tensors(node)
        ):
            pixels.update(node.output)
    return frozenset(pixels)


def _steps(
    nodes: Sequence[onnx.NodeProto],
    graph: Graph,
    scope: Scope,
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
        steps.append(plain_step(node, graph) if match is None else step_of_match(match, made, graph))
    return steps[::-1]


def _known(
    node: onnx.NodeProto,
    graph: Graph,
    scope: Scope,
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


def _with_identities(steps: Iterable[Step], original: Mapping[str, str]) -> Iterator[Step]:
    """What an Identity calls a tensor is an output of the layer that made it."""
    others: dict[str, list[str]] = {}
    for name, source in original.items():
        others.setdefault(source, []).append(name)
    for step in steps:
        yield replace(step, outputs=(*step.outputs, *(name for out in step.outputs for name in others.get(out, ()))))
