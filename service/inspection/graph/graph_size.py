"""How large a graph may be to be looked into: counts nodes, knows no layer."""

import onnx

from service.errors import GraphTooLargeError
from service.inspection.graph.constants import bodies

# Some hundred times those of the largest CNN; at 0.1 to 0.2 ms a node a table still ends well within a request's time.
MAX_NODES = 20_000
_MAX_READS = 5 * MAX_NODES  # tensors read by all nodes together: few operators read more than five


def refuse_too_many_nodes(graph: onnx.GraphProto) -> None:
    """Raises GraphTooLargeError where a table of the graph would take too long. Subgraphs count with it."""
    nodes = reads = 0
    pending = [graph]
    while pending:
        inner = pending.pop()
        nodes += len(inner.node)
        reads += sum(len(node.input) for node in inner.node)
        if nodes > MAX_NODES or reads > _MAX_READS:
            raise GraphTooLargeError(nodes, reads, MAX_NODES, _MAX_READS)
        pending.extend(body for node in inner.node for body in bodies(node))
