"""Networks that other people wrote and other tools exported: real topologies, given seeded random weights.

`networks.json` says of each where it is from and what its own framework counts; `README.md` is the list for people.
"""

import json
import lzma
from collections.abc import Mapping
from functools import cache
from math import prod, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from tests.zoo.stripping import graphs, large_tensors

FOLDER = Path(__file__).parent
Facts = Mapping[str, Any]
Array = np.ndarray[Any, np.dtype[Any]]

# Weights that multiply and add up: drawn by their fan-in (He et al. 2015), so that signals neither vanish nor explode.
_WEIGHTED = {"Conv": 1, "ConvTranspose": 1, "Gemm": 1, "MatMul": 1}
_BATCH_NORM = ("scale", "bias", "mean", "variance")


@cache
def facts() -> Mapping[str, Facts]:
    """What `networks.json` says, by name."""
    found: Mapping[str, Facts] = json.loads((FOLDER / "networks.json").read_text())
    return found


def topology(name: str) -> onnx.ModelProto:
    """The file as it is committed: large tensors have a type and a shape, and no data."""
    return onnx.load_model_from_string(lzma.decompress((FOLDER / f"{name}.onnx.xz").read_bytes()))


def network(name: str, seed: int = 0) -> onnx.ModelProto:
    """The topology with weights, ready to run."""
    return with_weights(topology(name), seed)


def with_weights(model: onnx.ModelProto, seed: int = 0) -> onnx.ModelProto:
    """Fills what was stripped, in place: weights by their fan-in, batch norms near 1, the rest as it was spread."""
    random = np.random.default_rng(seed)
    roles = _roles(model.graph)
    for tensor in large_tensors(model.graph):
        if tensor.doc_string and not tensor.raw_data:
            drawn = _drawn(tensor, roles.get(tensor.name, ""), random)
            tensor.raw_data = drawn.astype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)).tobytes()
    return model


def _roles(graph: onnx.GraphProto) -> dict[str, str]:
    """What a tensor is to the node that reads it, also through a Transpose, Cast or other step from its own weight."""
    roles: dict[str, str] = {}
    for each in graphs(graph):
        for node in reversed(each.node):
            if node.op_type in _WEIGHTED and len(node.input) > 1:
                transposed = node.op_type == "Gemm" and any(a.name == "transB" and a.i for a in node.attribute)
                roles[node.input[1]] = f"{node.op_type}{'T' if transposed else ''}"
            elif node.op_type == "BatchNormalization":
                roles.update(zip(node.input[1:], _BATCH_NORM, strict=False))
            elif node.op_type in ("Identity", "Cast", "Reshape", "DequantizeLinear") and node.output[0] in roles:
                roles.setdefault(node.input[0], roles[node.output[0]])
            elif node.op_type == "Transpose" and node.output[0] in roles:
                roles.setdefault(node.input[0], "transposed")
    return roles


def _drawn(tensor: onnx.TensorProto, role: str, random: np.random.Generator) -> Array:
    shape = tuple(tensor.dims)
    mean, deviation, least, most = map(float, tensor.doc_string.split())
    if tensor.data_type in (onnx.TensorProto.INT8, onnx.TensorProto.UINT8):
        return np.asarray(random.integers(round(least), round(most), shape, endpoint=True))
    numbers = _normal(shape, random)
    if role in _BATCH_NORM:
        # Scales below 1, because residual blocks add up; variances far from 0, because they divide.
        centre = {"scale": 0.8, "bias": 0.0, "mean": 0.0, "variance": 1.0}[role]
        return np.asarray(centre + 0.1 * np.clip(numbers, -3, 3))
    if role and len(shape) > 1:
        return np.asarray(numbers * sqrt(2 / _fan_in(role, shape)))
    return np.clip(mean + deviation * numbers, least, most)


def _normal(shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray[Any, Any]:
    """Of a million numbers at most, repeated: AlexNet's 61 million would take a second."""
    count = prod(shape)
    return np.resize(random.standard_normal(min(count, 1_000_003), np.float32), shape)


def _fan_in(role: str, shape: tuple[int, ...]) -> int:
    match role:
        case "Conv" | "GemmT":
            return prod(shape[1:])
        case "ConvTranspose":
            return shape[0]
        case "Gemm" | "MatMul":
            return prod(shape[:-1]) if len(shape) == 2 else shape[-2]
        case _:  # in an order of its own: between the two
            return max(1, round(prod(shape) / max(shape)))


def free_sizes(name: str) -> dict[str, int]:
    """What must be asked of a file that leaves its sizes free: batch, height and width as the framework ran it."""
    value = _fed(topology(name).graph)[0]
    _, *declared = (dim.dim_value for dim in value.type.tensor_type.shape.dim)
    if all(declared):
        return {}
    _, *sizes = facts()[name]["input_shape"]
    height, width = sizes[:2] if declared[-1] else sizes[1:]
    return {"height": height, "width": width}


def feeds(session: Any, image: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
    """The image for the first input; zeros for those that an exporter has left over."""
    image_input, *others = session.get_inputs()
    left_over = {
        each.name: np.zeros([size if isinstance(size, int) else 1 for size in each.shape], np.float32)
        for each in others
    }
    dtype = {"tensor(uint8)": np.uint8, "tensor(float16)": np.float16}.get(image_input.type, np.float32)
    return {image_input.name: image.astype(dtype)} | left_over


def _fed(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    weights = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in weights]
