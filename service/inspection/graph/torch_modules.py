"""What one module of torch.nn computed with several nodes, joined again.

Only of classes that are one layer to a person. Knows steps and the modules that torch.onnx noted.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from service.inspection.graph.constants import number, read_tensors
from service.inspection.graph.exporter_names import Module, module_of
from service.inspection.graph.kinds import kind_of_module
from service.inspection.graph.matching import Graph
from service.inspection.graph.steps import Step, read_outside


def joined_by_module(steps: Sequence[Step], graph: Graph) -> list[Step]:
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
    return Step(tuple(nodes), kind, read_outside(nodes, graph), tuple(weights), call[-1].outputs, {})
