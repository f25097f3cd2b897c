"""The part of a network behind one tensor, to be run on many variations of that tensor. Knows no question.

What reaches the scores round the tensor, such as the shortcut of a residual block, is held at its value for the image:
so a difference of scores is due to the tensor alone, as a partial derivative wants it.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
import onnx

from service.arrays import NetworkInput
from service.errors import FoveaError, UnsupportedModelError, shown
from service.inspection.graph.constants import Constants, constants_of, read_tensors
from service.inspection.network import Network
from service.inspection.prefix_sessions import Feed, Part

MAX_ROWS = 32
_MAX_BATCH_BYTES = 16 * 2**20
_MAX_BATCH_SECONDS = 0.2  # so that whoever leaves is noticed soon, and measuring costs little
# Fewer nodes are fused in a part, and rows of a larger batch are summed in another order.
_RELATIVE, _ABSOLUTE = 1e-3, 1e-4


@dataclass(frozen=True)
class Suffix:
    """From `tensor` to the scores. `value` is the tensor and `scores` what the network makes of it, both with 1 row.

    `held` are the other tensors that it reads, with 1 row. A run takes `rows` at a time, of `seconds` each, measured.
    `exactly`: no fewer rows can be run.
    """

    part: Part
    tensor: str
    value: np.ndarray
    scores: np.ndarray
    held: Feed
    rows: int = 1
    exactly: bool = False
    seconds: float = 0.0

    def run(self, values: np.ndarray) -> np.ndarray:
        """[rows, classes] float32 for [rows, ...] variations of the tensor, at most `self.rows` of them."""
        count = self.rows if self.exactly else len(values)
        batch = np.concatenate([values, np.repeat(values[-1:], count - len(values), axis=0)])
        feed = {self.tensor: batch.astype(self.value.dtype, copy=False)}
        feed |= {name: np.repeat(value, count, axis=0) for name, value in self.held.items()}
        (scores,) = self.part.run(feed).values()
        return scores.reshape(len(scores), -1)[: len(values)].astype(np.float32, copy=False)


def suffix(network: Network, tensor: str, target: str, image: NetworkInput) -> Suffix:
    """The part from `tensor` to the scores in `target`, tried on the image: it gives what the whole network gives.

    `tensor` may be the network's input. Costs one run of the network, and up to a quarter of a second to measure.
    Raises UnsupportedModelError where the scores do not depend on the tensor, or a part gives other scores.
    """
    given = {tensor, *others_read(network.file.graph, tensor, target)}
    copies = network.file.input.batch or 1
    feed = {network.file.input.name: np.repeat(image[None], copies, axis=0)}
    found = network.part([target, *(given - feed.keys())]).run(feed) | feed
    first = {name: value[:1] if value.ndim else value for name, value in found.items()}
    return _measured(_tried(network, tensor, target, {name: first[name] for name in given}, first[target]))


def bypasses(graph: onnx.GraphProto, tensor: str, target: str) -> frozenset[str]:
    """The tensors by which the image reaches `target` round `tensor`; empty where all goes through it, a cut."""
    return _frontier(graph, tensor, target, by_shape_too=False)


def others_read(graph: onnx.GraphProto, tensor: str, target: str) -> frozenset[str]:
    """What else has to be given to compute `target` from `tensor`: `bypasses`, and what only gives its shape."""
    return _frontier(graph, tensor, target, by_shape_too=True)


def depends(graph: onnx.GraphProto, tensor: str, target: str) -> bool:
    """Whether the values of `target` depend on those of `tensor`."""
    return target in _descendants(graph, tensor, constants_of(graph))


def _frontier(graph: onnx.GraphProto, tensor: str, target: str, *, by_shape_too: bool) -> frozenset[str]:
    constants = constants_of(graph)
    producers = {name: node for node in graph.node for name in node.output if name}
    inside = _descendants(graph, tensor, constants)
    weights = {weight.name for weight in graph.initializer} | {w.values.name for w in graph.sparse_initializer}
    frontier, seen, waiting = set[str](), {tensor}, [target]
    while waiting:
        name = waiting.pop()
        if name in seen or name in weights or (name in constants and not by_shape_too):
            continue
        seen.add(name)
        if name in producers and (name in inside or name in constants):
            waiting += read_tensors(producers[name])
        else:
            frontier.add(name)
    return frozenset(frontier)


def _descendants(graph: onnx.GraphProto, tensor: str, constants: Constants) -> AbstractSet[str]:
    """The tensors whose values depend on those of `tensor`, itself included. A node stands behind what it reads."""
    found = {tensor}
    for node in graph.node:
        if not found.isdisjoint(read_tensors(node)):
            found |= {name for name in node.output if name and name not in constants}
    return found


def _tried(network: Network, tensor: str, target: str, given: Feed, scores: np.ndarray) -> Suffix:
    """With as many rows as the graph really takes: many a file says that it takes any number, and reshapes to one."""
    held = {name: value for name, value in given.items() if name != tensor}
    reason = ""
    for any_rows, rows, exactly in ((True, 2, False), (False, network.file.input.batch or 1, True)):
        part = network.part([target], given, any_rows=any_rows)
        row = scores.reshape(1, -1).astype(np.float32)
        made = Suffix(part, tensor, given[tensor], row, held, rows, exactly)
        reason = _reproduces(made)
        if not reason:
            return made
    raise UnsupportedModelError(
        f"the part of the network behind {shown(tensor)} cannot be run by itself: {reason}",
        "ask for another layer, or for method=occlusion",
    )


def _reproduces(made: Suffix) -> str:
    """Why the unchanged tensor does not give the network's scores; empty where it does."""
    try:
        scores = made.run(np.repeat(made.value, made.rows, axis=0))
    except FoveaError as error:
        return error.detail
    if scores.shape != (made.rows, made.scores.shape[1]):
        return f"it gives scores of {scores.shape} for {made.rows} rows"
    tolerance = _ABSOLUTE + _RELATIVE * np.abs(made.scores).max()
    distance = np.abs(scores - made.scores).max()
    return "" if distance <= tolerance else f"its scores are off by {distance:g}"


def _measured(tried: Suffix) -> Suffix:
    """With the batch that it is best run in, and what one row of it takes."""
    rows = tried.rows if tried.exactly else _rows_at_once(tried)
    sized = replace(tried, rows=rows)
    return replace(sized, seconds=_seconds(sized) / rows)


def _rows_at_once(tried: Suffix) -> int:
    seconds = _seconds(tried) / tried.rows
    row_bytes = tried.value.nbytes + sum(value.nbytes for value in tried.held.values())
    return max(1, min(MAX_ROWS, int(_MAX_BATCH_SECONDS / seconds), _MAX_BATCH_BYTES // max(1, row_bytes)))


def _seconds(made: Suffix) -> float:
    batch = np.repeat(made.value, made.rows, axis=0)
    begun = perf_counter()
    made.run(batch)
    return perf_counter() - begun
