"""A model and, apart from its message, the values of its large weights: where they lie in the bytes of its file.

protobuf keeps values as bytes of its own, and to put them in or take them out is a copy that holds Python's lock: a
process that serves would stand still for 150 ms where a weight has 250 MiB. What lies in the file's bytes needs none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import onnx


@dataclass(frozen=True)
class Parted:
    """`weights`: by their places among the graph's initialisers, the values that these lack in `message`.

    As many bytes as shape and type say, in ONNX's order. They keep the file's bytes alive.
    """

    message: onnx.ModelProto
    weights: Mapping[int, memoryview] = field(default_factory=dict)


def joined(model: Parted) -> onnx.ModelProto:
    """Its message with all values in it: `message` itself, or a copy where some lie apart."""
    if not model.weights:
        return model.message
    message = onnx.ModelProto()
    message.CopyFrom(model.message)
    for place, values in model.weights.items():
        message.graph.initializer[place].raw_data = bytes(values)
    return message
