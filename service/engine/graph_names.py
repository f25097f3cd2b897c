"""Which tensors a graph's nodes read, by name. Knows ONNX's messages only."""

import onnx


def names_read(graph: onnx.GraphProto) -> set[str]:
    """Also by the bodies of If, Loop and Scan (iterative: nesting is untrusted)."""
    read: set[str] = set()
    graphs = [graph]
    while graphs:
        for node in graphs.pop().node:
            read.update(node.input)
            for attribute in node.attribute:
                graphs.extend([attribute.g, *attribute.graphs] if attribute.HasField("g") else attribute.graphs)
    return read
