"""A model opened as inspection opens it, on a real session; a weight may be changed in that session only."""

from collections.abc import Mapping

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from onnxruntime import InferenceSession

from service.engine import model_file
from service.images.preprocessing import normalized
from service.inspection.network import Network
from service.inspection.prefix_sessions import PrefixSessions


def network(model: onnx.ModelProto, run_with: Mapping[str, np.ndarray] | None = None) -> Network:
    """`run_with`: initializers that the runtime has other values of than the file."""

    def create(serialized: bytes) -> InferenceSession:
        changed = onnx.load_model_from_string(serialized)
        for tensor in changed.graph.initializer:
            if tensor.name in (run_with or {}):
                tensor.CopyFrom(numpy_helper.from_array((run_with or {})[tensor.name], tensor.name))
        return session(changed.SerializeToString())

    return Network(model_file.from_bytes(model.SerializeToString()), PrefixSessions(create, 2**28))


def session(serialized: bytes) -> InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return InferenceSession(serialized, options, providers=["CPUExecutionProvider"])


def image(of: Network, seed: int = 0) -> np.ndarray:
    """Random pixels as the network takes them."""
    stated = of.file.metadata.preprocessing
    size = (stated.height, stated.width, stated.channels)
    return normalized(np.random.default_rng(seed).integers(0, 256, size, np.uint8), stated)
