# mypy: ignore-errors
# ruff: noqa: T201, ANN001
"""Networks of paddle.vision.models by paddle2onnx: `python paddle_networks.py FOLDER`, then `take`.

Weights are random, nothing is downloaded. Parameters are counted by Paddle; its own flops count biases and
activations too, so that it has no number of MACs.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import paddle

NETWORKS = {
    "paddle_resnet18": ("ResNet", "resnet18", 224, {}),
    "paddle_mobilenet_v3": ("MobileNet", "mobilenet_v3_small", 224, {"scale": 0.5}),
    "paddle_shufflenet_v2": ("ShuffleNet", "shufflenet_v2_x0_25", 224, {}),
    "paddle_googlenet": ("Inception", "googlenet", 224, {}),
    "paddle_lenet": ("LeNet", "LeNet", 28, {}),
    "paddle_squeezenet": ("SqueezeNet", "squeezenet1_1", 224, {}),
}


def main(folder: Path) -> None:
    for name, (family, source, size, settings) in NETWORKS.items():
        try:
            _make(folder, name, family, source, size, settings)
        except Exception as failure:  # noqa: BLE001
            print("FAILED", name, type(failure).__name__, str(failure)[:300])


def _make(folder: Path, name: str, family: str, source: str, size: int, settings) -> None:
    paddle.seed(0)
    random = np.random.default_rng(0)
    network = getattr(paddle.vision.models, source)(**settings)
    network.eval()
    shape = [1, 1 if source == "LeNet" else 3, size, size]
    for parameter in network.state_dict().values():
        value = parameter.numpy()
        if value.size > 1 and value.min() == value.max():  # fresh biases: an exporter may drop what changes nothing
            parameter.set_value((value + 0.05 * random.random(value.shape)).astype(value.dtype))
    answer = network(paddle.randn(shape))
    answers = answer if isinstance(answer, (tuple, list)) else [answer]
    paddle.onnx.export(
        network, str(folder / name), input_spec=[paddle.static.InputSpec(shape, "float32", "image")], opset_version=13
    )
    trained = [p for p in network.parameters() if not p.stop_gradient]
    facts = {
        "family": family,
        "source": f"paddlepaddle {version('paddlepaddle')} vision.models.{source}",
        "exporter": f"paddle2onnx {version('paddle2onnx')}",
        "input_shape": shape,
        "output_shapes": [list(each.shape) for each in answers],
        "trainable": sum(int(np.prod(p.shape)) for p in trained),
        "parameters": sum(int(np.prod(p.shape)) for p in network.state_dict().values()),
        "macs": None,
        "macs_by": None,
        "differences": [],
    }
    (folder / (name + ".json")).write_text(json.dumps(facts))
    print(name, facts["trainable"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
