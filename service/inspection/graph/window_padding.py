"""Padding that is written apart from the window it is for, as TensorFlow does for SAME.

Knows steps; whether padding was a layer of the author's own, the given scopes say.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import onnx

from service.inspection.graph.constants import integers_of, number
from service.inspection.graph.matching import Graph
from service.inspection.graph.steps import Step

Scope = Callable[[onnx.NodeProto], str | None]

_PADDED = frozenset({"conv", "max_pool", "average_pool"})
_LOWEST = -1e30


def with_padding(steps: Sequence[Step], graph: Graph, scope: Scope) -> list[Step]:
    """The steps, with a Pad that nothing else reads taken into the convolution or pooling behind it."""
    pads = {step.outputs[0]: step for step in steps if step.kind == "pad" and len(step.nodes) == 1}
    absorbed: set[str] = set()
    made = []
    for step in steps:
        pad = pads.get(graph.tensor(step.inputs[0])) if step.inputs and step.kind in _PADDED else None
        padded = None if pad is None else _padded(step, pad, graph, scope)
        if pad is not None and padded is not None:
            absorbed.add(pad.outputs[0])
        made.append(padded or step)
    return [step for step in made if step.outputs[0] not in absorbed]


def _padded(step: Step, pad: Step, graph: Graph, scope: Scope) -> Step | None:
    """The window with the padding before it as its own; None where that would not be the same."""
    own_layer = scope(pad.nodes[0])
    if own_layer is not None and own_layer != scope(step.nodes[0]):
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
    names = ((step, "pads"), (pad, "pads"), (step, "kernel_shape"))
    own, added, kernel = (integers_of(each.settings.get(name)) for each, name in names)
    explicit = step.settings.get("auto_pad", "NOTSET") in ("NOTSET", "VALID") and not step.settings.get("ceil_mode")
    if added is None or kernel is None or not explicit or len(pad.inputs) != 1 or "axes" in pad.settings:
        return None
    axes = len(kernel)
    if len(added) != 2 * (axes + 2) or any(added[:2]) or any(added[axes + 2 : axes + 4]):
        return None
    outer = (*added[2 : axes + 2], *added[axes + 4 :])
    inner = own if own is not None and len(own) == 2 * axes else (0,) * (2 * axes)
    return tuple(a + b for a, b in zip(outer, inner, strict=True)) if outer and min(outer) >= 0 else None


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
