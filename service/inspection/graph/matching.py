"""Finds the formulas of known layers in a graph.

Knows nodes, readers and constants; which formulas there are, and which of two is tried first, stands in
`service.inspection.graph.patterns`. Time grows with the number of nodes, whatever the graph: see `Budget`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import permutations
from math import isclose

import onnx

from service.inspection.graph.constants import Constants, Setting, number, read_tensors, settings_of
from service.inspection.graph.formulas import (
    RESHAPING,
    SCALARS,
    Constant,
    Either,
    Formula,
    Image,
    Number,
    Operator,
    Requirement,
    Reshaped,
    beginnings,
    parsed,
)
from service.inspection.graph.patterns import PATTERNS, Pattern

_COMMUTATIVE = frozenset({"Add", "Mul", "Max", "Min"})
_RESHAPES_ONLY = frozenset({*RESHAPING, "Identity", "Constant"})
_STEPS_PER_NODE = 100
_NO_LIMIT = 1e30
_TOLERANCE = 1e-3  # numbers of a half-precision file


@dataclass(frozen=True)
class Graph:
    """What matching asks of a graph. Names that an Identity gave to a tensor stand for that tensor."""

    constants: Constants
    opset: int
    original: Mapping[str, str]
    makers: Mapping[str, onnx.NodeProto]
    readers: Counter[str]
    outputs: frozenset[str]

    def tensor(self, name: str) -> str:
        return self.original.get(name, name)

    def maker(self, name: str) -> onnx.NodeProto | None:
        return self.makers.get(self.tensor(name))

    def settings(self, node: onnx.NodeProto) -> dict[str, Setting]:
        return settings_of(node, self.constants, self.opset)


@dataclass(frozen=True)
class Match:
    """`nodes` by the output they make, the last node first; `bound` are the words of the formula."""

    pattern: Pattern
    nodes: Mapping[str, onnx.NodeProto]
    bound: Mapping[str, str]
    scalars: Mapping[str, int | float]

    def of_type(self, op_type: str) -> list[onnx.NodeProto]:
        return [node for node in self.nodes.values() if node.op_type == op_type]


@dataclass
class Budget:
    """How many comparisons are left for a whole graph: one made to be compared forever ends as plain nodes."""

    steps: int

    @classmethod
    def of(cls, nodes: int) -> "Budget":
        return cls(10_000 + _STEPS_PER_NODE * nodes)


@dataclass(frozen=True)
class _Found:
    nodes: Mapping[str, onnx.NodeProto] = field(default_factory=dict)
    bound: Mapping[str, str] = field(default_factory=dict)
    scalars: Mapping[str, int | float] = field(default_factory=dict)


def graph_of(
    nodes: Sequence[onnx.NodeProto],
    graph: onnx.GraphProto,
    constants: Constants,
    opset: int,
    original: Mapping[str, str],
) -> Graph:
    """`nodes` are those that depend on the image; `original` says which tensor an Identity's output is.

    Who only asks for a tensor's shape or type does not read it.
    """
    outputs = frozenset(original.get(value.name, value.name) for value in graph.output)
    read = (original.get(name, name) for node in nodes for name in read_tensors(node))
    makers = {name: node for node in nodes for name in node.output if name}
    return Graph(constants, opset, original, makers, Counter(read), outputs)


def matches(last: onnx.NodeProto, graph: Graph, budget: Budget) -> Iterator[Match]:
    """Every known layer that ends with this node, in the order of the patterns."""
    for pattern in _candidates(last, graph):
        for found in _fitting(parsed(pattern.formula), last.output[0], graph, _Found(), budget):
            if _closed(found.nodes, graph):
                yield Match(pattern, found.nodes, found.bound, found.scalars)
                break


def _candidates(last: onnx.NodeProto, graph: Graph) -> Iterator[Pattern]:
    before = {maker.op_type for name in last.input if (maker := graph.maker(name)) is not None}
    numbers = {index for op_type in (*before, "") for index in _by_beginning().get((last.op_type, op_type), ())}
    yield from (PATTERNS[index] for index in sorted(numbers))


@cache
def _by_beginning() -> Mapping[tuple[str, str], set[int]]:
    index: dict[tuple[str, str], set[int]] = {}
    for place, pattern in enumerate(PATTERNS):
        for beginning in beginnings(parsed(pattern.formula)):
            index.setdefault(beginning, set()).add(place)
    return index


def _closed(nodes: Mapping[str, onnx.NodeProto], graph: Graph) -> bool:
    """What the inner nodes make is read by no node outside, and is no output of the network."""
    inside = Counter(graph.tensor(name) for node in nodes.values() for name in read_tensors(node))
    inner = list(nodes)[1:]
    return all(graph.readers[name] == inside[name] and name not in graph.outputs for name in inner)


def _fitting(formula: Formula, name: str, graph: Graph, found: _Found, budget: Budget) -> Iterator[_Found]:
    """Each way in which the tensor `name` is the formula, given what was found before."""
    budget.steps -= 1
    if budget.steps < 0:
        return
    name = graph.tensor(name)
    match formula:
        case Operator():
            yield from _as_operator(formula, name, graph, found, budget)
        case Either(choices):
            for choice in choices:
                yield from _fitting(choice, name, graph, found, budget)
        case Reshaped(inner):
            yield from _fitting(inner, name, graph, found, budget)
            node = graph.maker(name)
            before = None if node is None else _reshaped_tensor(node, graph)
            if node is not None and before is not None:
                yield from _fitting(formula, before, graph, _with_node(found, name, node), budget)
        case Image(word):
            if name not in graph.constants and found.bound.get(word, name) == name:
                yield _Found(found.nodes, {**found.bound, word: name}, found.scalars)
        case _:
            yield from _as_constant(formula, name, graph, found)


def _reshaped_tensor(node: onnx.NodeProto, graph: Graph) -> str | None:
    """What a node reshapes. PyTorch's earlier exporter squeezes an axis of unknown length inside an If."""
    if node.op_type in RESHAPING and node.domain in ("", "ai.onnx"):
        return node.input[0]
    bodies = [attribute.g for attribute in node.attribute] if node.op_type == "If" else []
    inner = {each.op_type for body in bodies for each in body.node}
    read = {name for name in read_tensors(node) if name not in graph.constants}
    return next(iter(read)) if len(read) == 1 and inner and inner <= _RESHAPES_ONLY else None


def _as_constant(formula: Number | Constant, name: str, graph: Graph, found: _Found) -> Iterator[_Found]:
    if name not in graph.constants:
        return
    if isinstance(formula, Constant) and formula.word == "_":
        yield found
    elif isinstance(formula, Constant) and formula.word not in SCALARS:
        if found.bound.get(formula.word, name) == name:
            yield _Found(found.nodes, {**found.bound, formula.word: name}, found.scalars)
    elif (value := number(name, graph.constants)) is not None:
        if isinstance(formula, Constant):
            if isclose(found.scalars.get(formula.word, value), value):
                yield _Found(found.nodes, found.bound, {**found.scalars, formula.word: value})
        elif isclose(value, formula.value, rel_tol=_TOLERANCE):
            yield found


def _as_operator(formula: Operator, name: str, graph: Graph, found: _Found, budget: Budget) -> Iterator[_Found]:
    node = graph.maker(name)
    if node is None or node.op_type != formula.op_type or node.domain not in ("", "ai.onnx"):
        return
    written = len(formula.inputs)
    if len(node.input) < written or any(extra and extra not in graph.constants for extra in node.input[written:]):
        return
    if formula.settings and not _set_so(formula.settings, graph.settings(node)):
        return
    # A limit that is computed is known as little as one that is not there.
    if None in formula.settings.values() and any(
        e and number(e, graph.constants) is None for e in node.input[written:]
    ):
        return
    swaps = node.op_type in _COMMUTATIVE and written == len(node.input) == 2 and node.input[0] != node.input[1]
    for order in permutations(formula.inputs) if swaps else [formula.inputs]:
        yield from _all_fitting(order, node.input, graph, _with_node(found, name, node), budget)


def _all_fitting(
    formulas: Sequence[Formula], names: Sequence[str], graph: Graph, found: _Found, budget: Budget
) -> Iterator[_Found]:
    if not formulas:
        yield found
        return
    for first in _fitting(formulas[0], names[0], graph, found, budget):
        yield from _all_fitting(formulas[1:], names[1:], graph, first, budget)


def _with_node(found: _Found, name: str, node: onnx.NodeProto) -> _Found:
    return _Found({**found.nodes, name: node}, found.bound, found.scalars)


def _set_so(wanted: Mapping[str, Requirement], settings: Mapping[str, Setting]) -> bool:
    return all(_equal(value, settings.get(name)) for name, value in wanted.items())


def _equal(wanted: Requirement, value: Setting | None) -> bool:
    if wanted is None:
        return value is None or (isinstance(value, int | float) and abs(value) > _NO_LIMIT)
    if isinstance(wanted, tuple) or value is None or isinstance(value, tuple | str):
        return wanted == value
    return isclose(wanted, value, rel_tol=_TOLERANCE)
