"""Networks nobody here wrote: the `light_*` topologies inside the onnx wheel, given seeded random weights.

In those files each weight is one constant repeated (a ConstantOfShape node), so that every image gets the same answer.
"""

from math import prod, sqrt
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FOLDER = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
NAMES = tuple(sorted(path.stem.removeprefix("light_") for path in FOLDER.glob("light_*.onnx")))

_NORMALIZATION = (0.7, 0.0, 0.0, 1.0)  # scale, bias, mean, variance: below 1, because residual blocks add up


def network(name: str, seed: int = 0) -> onnx.ModelProto:
    """The topology with weights drawn so that signals neither vanish nor explode (He et al. 2015)."""
    model = onnx.load_model(FOLDER / f"light_{name}.onnx")
    random = np.random.default_rng(seed)
    shapes = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    normalizations = [node for node in model.graph.node if node.op_type == "BatchNormalization"]
    constant = {
        name: value for node in normalizations for name, value in zip(node.input[1:], _NORMALIZATION, strict=True)
    }
    kept = []
    for node in model.graph.node:
        if node.op_type != "ConstantOfShape":
            kept.append(node)
            continue
        shape = tuple(int(size) for size in shapes[node.input[0]])
        value = constant.get(node.output[0])
        weight = _drawn(random, shape) if value is None else np.full(shape, value)
        model.graph.initializer.append(numpy_helper.from_array(weight.astype(np.float32), node.output[0]))
        # These files are of IR version 3, in which a weight is listed among the inputs too.
        model.graph.input.append(helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, shape))
    del model.graph.node[:]
    model.graph.node.extend(kept)
    return model


def _drawn(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return random.normal(scale=sqrt(2 / max(1, prod(shape[1:]))), size=shape)
