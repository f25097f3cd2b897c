"""Whether a layer's weights in the file are those that were trained, as far as exporters leave marks. Runs nothing."""

from collections.abc import Sequence

import onnx

from service.engine.model_metadata import ManifestLayer
from service.inspection.graph.constants import constants_of, weight_names
from service.inspection.graph.layers import Layer

_RULE = "pkg.onnxscript.rewriter.rule_name"  # written by torch.onnx, which optimizes with onnxscript
_RENAMED = "onnx::"  # torch's earlier exporter names a weight so once it has computed it anew


def fold(model: onnx.ModelProto, manifest: Sequence[ManifestLayer], layer: Layer) -> str | None:
    """Why the weights are not the trained module's own; None where nothing says so, which is no proof."""
    if layer.kind not in ("conv", "transposed_conv", "dense") or not layer.weights:
        return None
    if layer.folded:
        return f"the exporter has folded {' and '.join(layer.folded)} into these weights"
    stored = list(weight_names(layer.weights[0], constants_of(model.graph)))
    node = next((n for n in model.graph.node if layer.weights[0] in n.input), onnx.NodeProto())
    rules = [prop.value for prop in node.metadata_props if prop.key == _RULE and "BatchNorm" in prop.value]
    if rules:
        return "the exporter has folded the batch normalisation behind it into these weights"
    if layer.kind != "dense" and any(name.startswith(_RENAMED) for name in stored):
        return "the exporter has computed these weights anew, most likely with a batch normalisation folded in"
    named = (name.removesuffix("_quantized") for name in stored)
    module = next((name.removesuffix(".weight") for name in named if name.endswith(".weight")), None)
    stated = next((each.id for each in manifest if each.tensor in layer.outputs), None)
    if module is not None and stated is not None and module != stated:
        return f"these are the weights of {module} with {stated} folded in"
    return None
