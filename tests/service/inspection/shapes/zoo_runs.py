"""The networks of the zoo with what several tests ask of them: their table, and what ONNX Runtime computes."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort

from service.inspection.shapes.layer_shapes import layer_shapes
from service.inspection.shapes.layer_table import LayerShapes
from tests import zoo

Array = np.ndarray[Any, np.dtype[Any]]

NAMES = tuple(sorted(zoo.facts()))


@cache
def table(name: str) -> LayerShapes:
    """At the size its framework ran it, from the file without weights: a table needs none."""
    sizes = zoo.free_sizes(name)
    return layer_shapes(zoo.topology(name), height=sizes.get("height"), width=sizes.get("width"))


def image_of(name: str) -> Array:
    shape: tuple[int, ...] = tuple(zoo.facts()[name]["input_shape"])
    return np.random.default_rng(0).standard_normal(shape, np.float32)


class Runner:
    """The network with drawn weights in ONNX Runtime, its nodes as they are in the file, and these tensors put out."""

    def __init__(self, name: str, tensors: Sequence[str]) -> None:
        self.tensors = list(dict.fromkeys(tensors))
        model = zoo.network(name)
        del model.graph.output[:]
        model.graph.output.extend(onnx.ValueInfoProto(name=tensor) for tensor in self.tensors)
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def __call__(self, image: Array) -> dict[str, Array]:
        return dict(zip(self.tensors, self.session.run(self.tensors, zoo.feeds(self.session, image)), strict=True))
