"""A model as ONNX Runtime takes it: the bytes of its graph, and its large weights beside them, as arrays.

ONNX Runtime holds Python's lock while it reads bytes, and its session keeps them as long as it lives. Arrays it copies
without the lock, and keeps none. Knows ONNX's messages, and no session.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx

from service.engine.graph_names import names_read
from service.engine.parted import Parted
from service.engine.pauses import after_copy
from service.engine.serialization import serialized

Weights = Mapping[str, np.ndarray]
_NUMPYS_OWN = frozenset("biuf")  # kinds of its types; bfloat16, floats of 8 bits and integers of 4 are of another
_PLACE = onnx.StringStringEntryProto(key="location", value="in memory")  # ONNX wants a name; no file is opened


@dataclass(frozen=True)
class SessionModel:
    """`weights` by the names of the initialisers that `graph` says to be outside. A session that is made needs none."""

    graph: bytes
    weights: Weights = field(default_factory=dict)


def whole(model: Parted) -> SessionModel:
    return SessionModel(serialized(model))


def apart(model: Parted) -> SessionModel:
    """What lies apart already is handed over so, where it can be.

    What no node reads is put into the graph: ONNX Runtime drops it first, and then misses it. Functions may not read
    what they are given, so a model with functions stays whole.
    """
    if model.message.functions:
        return whole(model)
    message = onnx.ModelProto()
    message.CopyFrom(model.message)
    wanted = names_read(message.graph) | {output.name for output in message.graph.output}
    weights = {}
    for place, values in model.weights.items():
        tensor = message.graph.initializer[place]
        array = _array(tensor, values) if tensor.name in wanted else None
        if array is None:
            tensor.raw_data = bytes(values)
            after_copy(len(values))
        else:
            weights[tensor.name] = array
            _put_outside(tensor)
    return SessionModel(message.SerializeToString(), weights)


def _array(tensor: onnx.TensorProto, values: memoryview) -> np.ndarray | None:
    """None where it is not for an array of NumPy's own types."""
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
    if dtype.kind not in _NUMPYS_OWN:
        return None
    found = np.frombuffer(values, np.uint8)
    if found.ctypes.data % dtype.itemsize:  # ONNX Runtime's kernels read whole numbers
        found = found.copy()  # without Python's lock
    return found.view(dtype).reshape(tensor.dims)


def _put_outside(tensor: onnx.TensorProto) -> None:
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.append(_PLACE)
