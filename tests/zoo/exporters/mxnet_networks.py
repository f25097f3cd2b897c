# mypy: ignore-errors
# ruff: noqa: T201, ANN001, ANN202
"""Networks of MXNet's Gluon model zoo by its own mx2onnx: `python mxnet_networks.py FOLDER`, then `take`. Python 3.8.

Weights are random, nothing is downloaded. Parameters are counted by MXNet, which counts no MACs.
"""

import json
import sys
from pathlib import Path

import mxnet as mx
import numpy as np
from mxnet.gluon.model_zoo import vision

NETWORKS = {
    "mxnet_resnet18_v2": ("ResNet", "resnet18_v2", 224),
    "mxnet_mobilenet": ("MobileNet", "mobilenet0.25", 224),
    "mxnet_squeezenet": ("SqueezeNet", "squeezenet1.0", 224),
    "mxnet_densenet121": ("DenseNet", "densenet121", 224),
}


def main(folder: Path) -> None:
    for name, (family, source, size) in NETWORKS.items():
        try:
            _make(folder, name, family, source, size)
        except Exception as failure:  # noqa: BLE001
            print("FAILED", name, type(failure).__name__, str(failure)[:300])


def _make(folder: Path, name: str, family: str, source: str, size: int) -> None:
    mx.random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    network = vision.get_model(source, pretrained=False)
    network.initialize(mx.init.Xavier())
    network.hybridize()
    shape = (1, 3, size, size)
    answer = network(mx.nd.random.normal(shape=shape))
    for parameter in network.collect_params().values():
        value = parameter.data().asnumpy()
        if value.size > 1 and value.min() == value.max():  # fresh biases: an exporter may drop what changes nothing
            parameter.set_data(mx.nd.array(value + 0.05 * np.random.random(value.shape)))  # noqa: NPY002
    network.export(str(folder / name))
    mx.onnx.export_model(
        str(folder / (name + "-symbol.json")), str(folder / (name + "-0000.params")), [shape], [np.float32],
        str(folder / (name + ".onnx")),
    )  # fmt: skip
    (folder / (name + "-symbol.json")).unlink()
    trained = [p for p in network.collect_params().values() if p.grad_req != "null"]
    facts = {
        "family": family,
        "source": f"mxnet {mx.__version__} gluon.model_zoo {source}",
        "exporter": f"mxnet.onnx (mx2onnx) {mx.__version__}",
        "input_shape": shape,
        "output_shapes": [answer.shape],
        "trainable": sum(int(np.prod(p.shape)) for p in trained),
        "parameters": sum(int(np.prod(p.shape)) for p in network.collect_params().values()),
        "macs": None,
        "macs_by": None,
        "differences": _fixed(network),
    }
    (folder / (name + ".json")).write_text(json.dumps(facts))
    print(name, facts["trainable"])


def _fixed(network):
    """The first batch norm of the second ResNet has a scale of 1 and a shift of 0 that training leaves alone."""
    fixed = [p for p in network.collect_params().values() if p.grad_req == "null" and "running" not in p.name]
    count = sum(int(np.prod(p.shape)) for p in fixed)
    what = "of one batch norm scale and shift are in the file, and not trained"
    return [{"what": what, "parameters": count}] if count else []


if __name__ == "__main__":
    main(Path(sys.argv[1]))
