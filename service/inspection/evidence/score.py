"""The number that evidence is sought for: the score of one class, before its softmax where the file shows that.

A softmax hides evidence: a class that is nearly certain hardly gains by more of it, and every other class loses.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx

from service.engine.network_interface import ClassOutput

Quantity = Literal["logit", "log_probability"]

_KEEP_VALUES = frozenset({"Identity", "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose"})
_ACTIVATIONS = frozenset({"Softmax", "LogSoftmax", "Sigmoid"})
_SMALLEST = 1e-30  # below any probability that is told apart from zero by its logarithm in float32


@dataclass(frozen=True)
class Target:
    """The score of class `index` in `tensor`."""

    tensor: str
    quantity: Quantity
    index: int

    def of(self, scores: np.ndarray) -> np.ndarray:
        """Of rows of that tensor, [rows, classes]: one number each, in float64."""
        values = scores[:, self.index].astype(np.float64)
        return values if self.quantity == "logit" else np.log(np.maximum(values, _SMALLEST))


def score_tensor(model: onnx.ModelProto, output: ClassOutput) -> str:
    """The tensor with the class scores: what goes into the graph's last softmax or sigmoid, else its output."""
    producers = {name: node for node in model.graph.node for name in node.output if name}
    node = producers.get(output.name)
    while node is not None and node.op_type in _KEEP_VALUES:
        node = producers.get(node.input[0])
    return node.input[0] if node is not None and node.op_type in _ACTIVATIONS else output.name


def quantity_of(scores: np.ndarray) -> Quantity:
    """Rows of scores that a graph has made a distribution without a Softmax node are taken by their logarithm."""
    distributed = (scores >= 0).all() and np.allclose(scores.sum(axis=1), 1, atol=1e-3)
    return "log_probability" if distributed else "logit"
