"""The model repositories that scenarios serve, and the files they put into them while the service runs."""

import shutil
from functools import cache
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks.environments import ROOT
from service.engine import model_file
from service.engine.model_metadata import Provenance, with_metadata

MIB = 2**20


def shipped(folder: Path, *names: str) -> Path:
    """`folder` with copies of shipped models."""
    for name in names:
        shutil.copytree(ROOT / "models" / name, folder / name)
    return folder


def put(models: Path, name: str, version: int, contents: bytes) -> Path:
    """The version's file, whole at once: written beside, then renamed."""
    draft = models / f".draft-{name}-{version}"
    (draft / "model.onnx").parent.mkdir(parents=True)
    (draft / "model.onnx").write_bytes(contents)
    target = models / name / str(version)
    target.parent.mkdir(exist_ok=True)
    draft.rename(target)
    return target


@cache
def release(number: int) -> bytes:
    """Odd numbers are `mnist`, even ones its untrained weights, so that each answer shows which network made it.

    Said to be trained, for an untrained version is never the default.
    """
    file = model_file.read(ROOT / f"models/mnist/{number % 2}/model.onnx")
    stated = file.metadata.model_copy(update={"provenance": Provenance(stage="trained")})
    return with_metadata(file.model, stated).SerializeToString()


def large(mib: int = 500) -> bytes:
    """A grey 28x28 classifier of ten classes with so many MiB of weights, which are noise repeated."""
    inner = 784
    outer = mib * MIB // (4 * inner) // 2
    noise = np.random.default_rng(0).standard_normal(inner * outer, np.float32) / 28
    weights = {
        "wide": noise.reshape(inner, outer),
        "narrow": noise.reshape(outer, inner),
        "last": noise[: inner * 10].reshape(inner, 10),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["float"], ["flat"]),
        helper.make_node("MatMul", ["flat", "wide"], ["wider"]),
        helper.make_node("Relu", ["wider"], ["positive"]),
        helper.make_node("MatMul", ["positive", "narrow"], ["narrower"]),
        helper.make_node("MatMul", ["narrower", "last"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "large",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 28, 28, 1])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    made: onnx.ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return made.SerializeToString()
