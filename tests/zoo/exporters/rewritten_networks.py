# ruff: noqa: T201
# mypy: disable-error-code="import-not-found,import-untyped,no-untyped-call,unused-ignore"
"""Networks of the zoo as other tools rewrite them: `python -m tests.zoo.exporters.rewritten_networks`.

ONNX Runtime's quantiser (QDQ and operators), onnxslim, and half precision. What the framework counted stays as it was:
weights that became integers are still the trained numbers.
"""

import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxslim
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import convert_float_to_float16

from tests import zoo
from tests.zoo.exporters.record import record


class Pictures(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, name: str, shape: list[int]) -> None:
        random = np.random.default_rng(0)
        self.feeds = iter([{name: random.standard_normal(shape).astype(np.float32)} for _ in range(2)])

    def get_next(self) -> Any:
        return next(self.feeds, None)


def main() -> None:
    runtime = f"onnxruntime {version('onnxruntime')}"
    for name, original, exporter, rewrite in _rewritings(runtime):
        try:
            _make(name, original, exporter, rewrite)
        except Exception as failure:  # noqa: BLE001
            print(f"FAILED {name}: {type(failure).__name__} {str(failure)[:300]}")


Rewriting = tuple[str, str, str, Callable[[onnx.ModelProto], onnx.ModelProto]]


def _rewritings(runtime: str) -> Iterator[Rewriting]:
    yield "resnet20_qdq", "resnet20_cifar", f"{runtime} quantize_static QDQ", lambda m: quantized(m, QuantFormat.QDQ)
    yield (
        "resnet20_qoperator",
        "resnet20_cifar",
        f"{runtime} quantize_static QOperator",
        lambda m: quantized(m, QuantFormat.QOperator),
    )
    yield "paddle_lenet_dynamic", "paddle_lenet", f"{runtime} quantize_dynamic", dynamic
    yield "mobilenet_v2_slim", "mobilenet_v2", f"onnxslim {version('onnxslim')}", onnxslim.slim
    yield "convnext_half", "convnext", f"{runtime} transformers.float16", convert_float_to_float16


def _make(name: str, original: str, exporter: str, rewrite: Callable[[onnx.ModelProto], onnx.ModelProto]) -> None:
    facts = zoo.facts()[original]
    record(
        rewrite(zoo.network(original)),
        name,
        family=facts["family"],
        source=f"{original} of this zoo ({facts['source']})",
        exporter=exporter,
        input_shape=facts["input_shape"],
        output_shapes=facts["output_shapes"],
        trainable=facts["trainable_parameters"],
        parameters=facts["parameters"],
        macs=facts["macs"],
        macs_by=facts["macs_by"],
        differences=facts["differences"],
    )


def quantized(model: onnx.ModelProto, form: QuantFormat) -> onnx.ModelProto:
    with tempfile.TemporaryDirectory() as folder:
        first, prepared, last = (Path(folder) / f"{each}.onnx" for each in ("first", "prepared", "last"))
        onnx.save_model(model, first)
        quant_pre_process(str(first), str(prepared), skip_symbolic_shape=True)
        (image,) = (value for value in model.graph.input if value.name not in {t.name for t in model.graph.initializer})
        shape = [dim.dim_value or 1 for dim in image.type.tensor_type.shape.dim]
        quantize_static(
            str(prepared), str(last), Pictures(image.name, shape), quant_format=form, activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8, per_channel=True,
        )  # fmt: skip
        return onnx.load_model(last)


def dynamic(model: onnx.ModelProto) -> onnx.ModelProto:
    with tempfile.TemporaryDirectory() as folder:
        first, last = (Path(folder) / f"{each}.onnx" for each in ("first", "last"))
        onnx.save_model(model, first)
        quantize_dynamic(str(first), str(last), weight_type=QuantType.QUInt8)
        return onnx.load_model(last)


if __name__ == "__main__":
    main()
