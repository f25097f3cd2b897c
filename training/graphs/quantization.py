"""A network's graph in 8 bits: integer kernels and activations, calibrated on images. Reads and writes no model file.

Unsigned activations, signed kernels with one scale per output channel: of ONNX Runtime's pairings the fast one. Kernels
use 7 of their 8 bits: processors without VNNI add two products in 16 bits, which 2 * 255 * 64 does not overflow. What
follows the last convolution stays in float. Why: `docs/decisions/0007-int8.md`.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import torch
from onnx import NodeProto
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from service.engine.model_metadata import ManifestLayer
from training.graphs.export import Exported
from training.graphs.folding import batch_norm_folded, normalization_folded
from training.tensors import Images

METHOD = "smallest and largest value"
BATCH = 50
OPERATORS = ("Conv", "Relu", "MaxPool", "Add")
_QUANTIZED, _DEQUANTIZED = "_QuantizeLinear_Output", "_DequantizeLinear_Output"  # what ONNX Runtime appends


def quantized(source: Exported, calibration: Images) -> Exported:
    """The graph with a QuantizeLinear and DequantizeLinear behind each quantised tensor, and what its layers are.

    ONNX Runtime makes integer operators of the layers between when it loads the graph. `calibration` gives each
    tensor's range.
    """
    folded = normalization_folded(batch_norm_folded(source.model))
    model = _renamed(_without_needless_pairs(_by_onnx_runtime(folded, calibration)))
    onnx.checker.check_model(model, full_check=True)
    return Exported(model, _manifest(source, model))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the advice to optimise the graph first: folding has done that."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


class _Batches(CalibrationDataReader):  # type: ignore[misc] # onnxruntime has no types
    def __init__(self, images: Images) -> None:
        self._batches: Iterator[torch.Tensor] = iter(torch.split(images, BATCH))

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self._batches, None)
        return None if batch is None else {"image": batch.numpy()}


def _by_onnx_runtime(model: onnx.ModelProto, calibration: Images) -> onnx.ModelProto:
    with _quiet(), TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        quantize_static(
            model,
            file,
            _Batches(calibration),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(OPERATORS),
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            # Else the Relu nodes vanish, and with them layers that people ask for.
            extra_options={"QDQKeepRemovableActivations": True},
        )
        return onnx.load(file)


def _without_needless_pairs(model: onnx.ModelProto) -> onnx.ModelProto:
    """Nothing is rounded between a layer and its Relu: the rounding behind the Relu cuts at 0 by itself.

    ONNX Runtime then makes one integer operator of all three; with the pair it computed the Relu in float.
    """
    producers = {node.output[0]: node for node in model.graph.node}
    readers = Counter(name for node in model.graph.node for name in node.input)
    for relu in [node for node in model.graph.node if node.op_type == "Relu"]:
        dequantize = producers.get(relu.input[0])
        quantize = producers.get(dequantize.input[0]) if dequantize is not None else None
        if dequantize is None or quantize is None or quantize.op_type != "QuantizeLinear":
            continue
        if readers[dequantize.output[0]] == readers[quantize.output[0]] == readers[quantize.input[0]] == 1:
            relu.input[0] = quantize.input[0]
            model.graph.node.remove(dequantize)
            model.graph.node.remove(quantize)
    return _without_unread_weights(model)


def _without_unread_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    read = {name for node in model.graph.node for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in read]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    return model


def _renamed(model: onnx.ModelProto) -> onnx.ModelProto:
    """Each value named after the layer whose value it is: `relu1`, `relu1.quantized`, `relu1.dequantized`.

    A kernel keeps its name: `conv1.weight` comes from the integers `conv1.weight_quantized`.
    """
    weights = {tensor.name for tensor in model.graph.initializer}
    names: dict[str, str] = {}
    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            names[node.output[0]] = _value_name(node, of_weight=node.input[0] in weights)
            node.name = names[node.output[0]]
    for node in model.graph.node:
        node.input[:] = [names.get(value, value) for value in node.input]
        node.output[:] = [names.get(value, value) for value in node.output]
    return model


def _value_name(node: NodeProto, *, of_weight: bool) -> str:
    value = node.output[0]
    if of_weight:
        return value.removesuffix(_DEQUANTIZED)
    return value.replace(_QUANTIZED, ".quantized").replace(_DEQUANTIZED, ".dequantized")


def _manifest(source: Exported, model: onnx.ModelProto) -> tuple[ManifestLayer, ...]:
    """The layers that are left and the steps to 8 bits and back, in the order in which they are computed.

    A convolution with a folded normalisation goes by the latter's name, because the tensor is the latter's output.
    """
    kinds = {layer.tensor: (layer.id, layer.kind) for layer in source.layers}
    weights = {tensor.name for tensor in model.graph.initializer}
    layers = []
    for node in model.graph.node:
        tensor = node.output[0]
        if tensor in kinds:
            layer, kind = kinds[tensor]
            layers.append(ManifestLayer(id=layer, kind="Conv2d" if node.op_type == "Conv" else kind, tensor=tensor))
        elif node.op_type in ("QuantizeLinear", "DequantizeLinear") and node.input[0] not in weights:
            layers.append(ManifestLayer(id=tensor, kind=node.op_type, tensor=tensor))
    return tuple(layers)
