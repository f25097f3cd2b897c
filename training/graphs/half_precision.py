"""A network's graph in float16: half the bytes, and on a GPU with tensor cores the fast arithmetic.

Weights and every layer's values are float16; the image comes in as bytes and the logits go out as float32, as before.
Reads and writes no model file.
"""

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import numpy_helper
from onnxruntime.transformers.float16 import convert_float_to_float16

from training.errors import QuantizationError
from training.graphs.export import Exported

LARGEST = float(np.finfo(np.float16).max)  # 65,504
LOGITS = "logits"


def halved(source: Exported) -> Exported:
    """The same layers by the same names; behind the last one a Cast to float32, which is no layer of the manifest.

    Weights nearer to 0 than float16's smallest number, 6e-8, become it. Raises QuantizationError for a weight above
    its largest.
    """
    _refuse_large(source.model.graph.initializer)
    model = onnx.ModelProto()
    model.CopyFrom(source.model)
    model = convert_float_to_float16(model, keep_io_types=True, op_block_list=[])  # nothing of ours needs float32
    last = _name_last(model)
    onnx.checker.check_model(model, full_check=True)
    layers = tuple(
        layer.model_copy(update={"tensor": last}) if layer.tensor == LOGITS else layer for layer in source.layers
    )
    return Exported(model, layers)


def _refuse_large(weights: Iterable[onnx.TensorProto]) -> None:
    for weight in weights:
        largest = float(np.abs(numpy_helper.to_array(weight)).max(initial=0))
        if largest > LARGEST:
            raise QuantizationError(
                f"{weight.name} has {largest:g}, and float16 ends at {LARGEST:g}", "keep this model in float32"
            )


def _name_last(model: onnx.ModelProto) -> str:
    """The float16 value behind the logits, called after its layer; returns that name."""
    producers = {node.output[0]: node for node in model.graph.node}
    cast = producers[LOGITS]
    layer = producers[cast.input[0]]
    cast.name = f"{layer.name}/Cast"
    for value in model.graph.value_info:
        if value.name == cast.input[0]:
            value.name = layer.name
    cast.input[0] = layer.output[0] = layer.name
    return layer.name
