"""Writes a ResNet-18 with seeded random weights as FOLDER/1 (fp32) and FOLDER/2 (INT8), exported as training does.

    python -m benchmarks.make_resnet18 FOLDER

For measuring speed only: it classifies nothing.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import torch
from PIL import Image

from benchmarks.pictures import photograph
from service.engine.model_metadata import ModelMetadata, Provenance, with_metadata
from service.images.preprocessing import Preprocessing, received
from training.graphs.export import exported
from training.graphs.quantization import quantized
from training.networks.resnet import resnet18

SEED = 0
_PREPROCESSING = Preprocessing(height=224, width=224, color="rgb", resize="crop")


def main() -> None:
    folder = Path(sys.argv[1])
    torch.manual_seed(SEED)
    network = resnet18()
    calibration = torch.from_numpy(_calibration())
    with torch.no_grad():
        network.train()(calibration)  # so that the normalisations know the size of what they see
    plain = exported(network, (224, 224, 3))
    for version, graph, stage in ((1, plain, "untrained"), (2, quantized(plain, calibration), "quantized")):
        metadata = ModelMetadata(
            class_names=tuple(f"class_{index}" for index in range(1000)),
            preprocessing=_PREPROCESSING,
            layers=graph.layers,
            provenance=Provenance(stage=stage, seed=SEED, note="random weights, for measuring speed"),
        )
        _write(with_metadata(graph.model, metadata), folder / str(version) / "model.onnx")


def _calibration() -> np.ndarray:
    """A photograph and its mirror images, as the network receives them: uint8 [4, 224, 224, 3]."""
    with TemporaryDirectory() as folder, Image.open(photograph(Path(folder)).path) as image:
        pixels = received(image, _PREPROCESSING)
    return np.stack([pixels, pixels[::-1], pixels[:, ::-1], pixels[::-1, ::-1]])


def _write(model: onnx.ModelProto, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
