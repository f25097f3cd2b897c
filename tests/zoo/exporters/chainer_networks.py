# mypy: ignore-errors
# ruff: noqa: T201, ANN001, ANN202, N812
"""Networks of Chainer by its own onnx_chainer: `python chainer_networks.py FOLDER`, then `take`. Python 3.9.

Weights are random, nothing is downloaded. Parameters are counted by Chainer, which counts no MACs.
"""

import json
import sys
from pathlib import Path

import chainer
import chainer.links as L
import numpy as np
import onnx_chainer

NETWORKS = {
    "chainer_googlenet": ("Inception", lambda: L.GoogLeNet(pretrained_model=None), 224),
    "chainer_resnet50": ("ResNet", lambda: L.ResNet50Layers(pretrained_model=None), 224),
}


def main(folder: Path) -> None:
    for name, (family, build, size) in NETWORKS.items():
        try:
            _make(folder, name, family, build(), size)
        except Exception as failure:  # noqa: BLE001
            print("FAILED", name, type(failure).__name__, str(failure)[:300])


def _make(folder: Path, name: str, family: str, network, size: int) -> None:
    np.random.seed(0)  # noqa: NPY002
    shape = (1, 3, size, size)
    image = np.random.standard_normal(shape).astype(np.float32)  # noqa: NPY002
    last = {"chainer_googlenet": "prob"}.get(name, "prob")

    class Whole(chainer.Chain):
        def __init__(self) -> None:
            super().__init__()
            with self.init_scope():
                self.network = network

        def forward(self, x):
            return self.network(x, layers=[last])[last]

    whole = Whole()
    with chainer.using_config("train", False), chainer.using_config("enable_backprop", True):
        answer = whole(image)
        for parameter in whole.params():
            if parameter.array is not None and parameter.size > 1 and parameter.array.min() == parameter.array.max():
                parameter.array += 0.05 * np.random.random(parameter.shape).astype(np.float32)  # noqa: NPY002
        onnx_chainer.export(whole, image, filename=str(folder / (name + ".onnx")), opset_version=9)
    facts = {
        "family": family,
        "source": f"chainer {chainer.__version__} links.{type(network).__name__}",
        "exporter": f"onnx_chainer {chainer.__version__}",
        "input_shape": shape,
        "output_shapes": [answer.shape],
        "trainable": sum(int(p.size) for p in whole.params() if p.array is not None),
        "parameters": None,
        "macs": None,
        "macs_by": None,
        "differences": _unused(network),
    }
    (folder / (name + ".json")).write_text(json.dumps(facts))
    print(name, facts["trainable"])


def _unused(network):
    """GoogLeNet's two auxiliary classifiers, which help in training only."""
    auxiliary = [p for name, p in network.namedparams() if name.startswith(("/loss1", "/loss2"))]
    count = sum(int(p.size) for p in auxiliary if p.array is not None)
    return [{"what": "the two auxiliary classifiers are not exported", "parameters": -count}] if count else []


if __name__ == "__main__":
    main(Path(sys.argv[1]))
