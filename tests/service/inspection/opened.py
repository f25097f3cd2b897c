"""A model as the inspection of the service sees it, with sessions of its own."""

import onnx
import onnxruntime
from onnxruntime import InferenceSession

from service.engine import model_file
from service.inspection.network import Network
from service.inspection.prefix_sessions import PrefixSessions


def opened(model: onnx.ModelProto) -> Network:
    return Network(model_file.from_bytes(model.SerializeToString()), PrefixSessions(session, 2**28))


def session(serialized: bytes) -> InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return InferenceSession(serialized, options, providers=["CPUExecutionProvider"])
