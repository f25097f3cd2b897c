"""A network without its weights: what an exporter wrote, small enough to commit.

A large tensor keeps its name, type and shape and loses its data; how its numbers were spread stands in `doc_string`,
so that others can be drawn. Stack traces and paths of the machine that exported are removed.
"""

import lzma
from collections.abc import Iterator
from math import prod
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

# Shapes, scales, axes and lone numbers decide what the graph does; ONNX's shape inference reads them too.
MAX_KEPT_ELEMENTS = 64
# More than one number but few different ones: a mask, which is structure and not learned.
_MASK_VALUES = range(2, 9)
_DRAWN_TYPES = frozenset(
    {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16}
    | {TensorProto.INT8, TensorProto.UINT8}
)
# Of PyTorch's exporter: module names and classes. Everything else it notes is stack traces and its own graph.
_KEPT_METADATA = frozenset({"namespace", "pkg.torch.onnx.class_hierarchy", "pkg.torch.onnx.name_scopes"})


def save(model: onnx.ModelProto, path: Path) -> None:
    """Strips `model` in place and writes it, compressed."""
    strip(model)
    onnx.checker.check_model(_without_markers(model))
    path.write_bytes(lzma.compress(model.SerializeToString(deterministic=True), preset=9 | lzma.PRESET_EXTREME))


def strip(model: onnx.ModelProto) -> None:
    model.doc_string = model.graph.doc_string = ""
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    for graph in graphs(model.graph):
        for value in (*graph.value_info, *graph.input, *graph.output):
            value.doc_string = ""
            del value.metadata_props[:]
        for tensor in graph.initializer:
            tensor.doc_string = ""
            del tensor.metadata_props[:]
        for node in graph.node:
            node.doc_string = ""
            kept = [entry for entry in node.metadata_props if entry.key in _KEPT_METADATA]
            del node.metadata_props[:]
            node.metadata_props.extend(kept)
    for function in model.functions:
        function.doc_string = ""
        del function.metadata_props[:]
    for tensor in large_tensors(model.graph):
        _empty(tensor)


def graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph and the bodies of its If, Loop and Scan."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from graphs(attribute.g)


def large_tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Initializers and Constant nodes that hold drawn numbers, also those that are stripped already."""
    for each in graphs(graph):
        constants = (a.t for n in each.node if n.op_type == "Constant" for a in n.attribute if a.HasField("t"))
        for tensor in (*each.initializer, *constants):
            if tensor.data_type in _DRAWN_TYPES and prod(tensor.dims) > MAX_KEPT_ELEMENTS:
                yield tensor


def _empty(tensor: onnx.TensorProto) -> None:
    """The spread is written as mean, standard deviation, smallest and largest number."""
    numbers = numpy_helper.to_array(tensor).astype(np.float64)
    if len(np.unique(numbers)) in _MASK_VALUES:
        return
    spread = (numbers.mean(), numbers.std(), numbers.min(), numbers.max())
    stripped = TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
    stripped.doc_string = " ".join(f"{number:.4g}" for number in spread)
    tensor.CopyFrom(stripped)


def _without_markers(model: onnx.ModelProto) -> onnx.ModelProto:
    """With the empty tensors as inputs, because the checker wants data in an initializer."""
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    from tests.zoo import with_weights  # noqa: PLC0415

    return with_weights(whole)
