"""One value that is asked for, and what its layer has: inputs, weights, settings. Derives nothing."""

from dataclasses import dataclass

import numpy as np
import onnx

from service.errors import InvalidParameterError
from service.inspection.graph.layers import Layer
from service.inspection.values.units.places import Place
from service.inspection.values.weights import evaluated, weights_by_role


@dataclass(frozen=True)
class Asked:
    """One value of a layer, at `place`, and what the layer was given: the tensors of its `inputs`, batch axis gone."""

    model: onnx.ModelProto
    layer: Layer
    inputs: tuple[np.ndarray, ...]
    place: Place

    @property
    def maps(self) -> np.ndarray:
        return self.inputs[0]


def refused(layer: Layer, reason: str) -> InvalidParameterError:
    return InvalidParameterError("layer", layer.id, reason)


def constant_weights(asked: Asked) -> dict[str, np.ndarray]:
    """By role; raises InvalidParameterError where the image decides over them."""
    weights = weights_by_role(asked.model, asked.layer)
    if "weight" not in weights or len(asked.inputs) != 1:
        raise refused(asked.layer, "its weights are not constants of the file")
    return weights


def numbers(model: onnx.ModelProto, layer: Layer) -> dict[str, float]:
    """The settings that are single numbers; also a clip's bounds, which newer files hold as weights."""
    found = {name: float(value) for name, value in layer.settings.items() if isinstance(value, int | float)}
    if layer.kind == "clip" and layer.weights:
        node = next(node for node in model.graph.node if layer.output in node.output)
        bounds = {name: tensor for name, tensor in zip(("min", "max"), node.input[1:], strict=False) if tensor}
        values = evaluated(model, list(bounds.values()))
        found |= {name: float(value.reshape(())) for name, value in zip(bounds, values, strict=True)}
    return found
