"""A model as ONNX Runtime takes it: the bytes of its graph, and its large weights beside them, as arrays.

ONNX Runtime holds Python's lock while it reads bytes, and its session keeps them as long as it lives. Arrays it copies
without the lock, and keeps none. Knows ONNX's messages, and no session.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx

from service.engine.graph_names import names_read
from service.engine.serialization import is_large, serialized, whole_values, with_bare_weights

Weights = Mapping[str, np.ndarray]
_NUMPYS_OWN = frozenset("biuf")  # kinds of its types; bfloat16, floats of 8 bits and integers of 4 are of another
_PLACE = onnx.StringStringEntryProto(key="location", value="in memory")  # ONNX wants a name; no file is opened


@dataclass(frozen=True)
class SessionModel:
    """`weights` by the names of the initialisers that `graph` says to be outside. A session that is made needs none."""

    graph: bytes
    weights: Weights = field(default_factory=dict)


def whole(model: onnx.ModelProto) -> SessionModel:
    return SessionModel(serialized(model))


def apart(model: onnx.ModelProto) -> SessionModel:
    """Holds other threads up for as long as it takes to copy the largest weight.

    What no node reads stays in the graph: ONNX Runtime drops it first, and then misses it. Functions may not read what
    they are given, so a model with functions stays whole.
    """
    if model.functions:
        return whole(model)
    graph = model.graph
    wanted = names_read(graph) | {output.name for output in graph.output}
    found = {one.name: _array(one) for one in graph.initializer if one.name in wanted and is_large(one)}
    weights = {name: array for name, array in found.items() if array is not None}
    bare = with_bare_weights(model, lambda tensor: is_large(tensor) and tensor.name in weights, _put_outside)
    return SessionModel(bare.SerializeToString(), weights)


def _array(tensor: onnx.TensorProto) -> np.ndarray | None:
    """None where it is not for an array, or its values are not as many as it says: ONNX Runtime then says so."""
    values = whole_values(tensor)
    if values is None:
        return None
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
    return np.frombuffer(values, dtype).reshape(tensor.dims) if dtype.kind in _NUMPYS_OWN else None


def _put_outside(tensor: onnx.TensorProto) -> None:
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.append(_PLACE)
