"""The ResNet-18 that is measured: fp32 as version 1, INT8 as version 2, in a repository of their own.

FOVEA_BENCHMARK_MODELS names a folder that holds them as resnet18/1 and resnet18/2. Without it one is made here, once,
with seeded random weights: speed does not depend on what the weights are, and the class that each system must give is
asked of the file itself. Needs the development environment (PyTorch) only then.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.environments import ROOT
from benchmarks.limit.backends import network_input, onnxruntime
from benchmarks.pictures import Picture
from service.engine import model_file

NAME = "resnet18"
_MADE = Path(__file__).parent / ".environments/models"


def repository() -> Path:
    """The folder with `resnet18`, absolute."""
    named = os.environ.get("FOVEA_BENCHMARK_MODELS")
    folder = Path(named).absolute() if named else _MADE
    missing = [str(file(folder, version)) for version in (1, 2) if not file(folder, version).exists()]
    if named and missing:
        raise FileNotFoundError(f"FOVEA_BENCHMARK_MODELS={named}: there is no {missing[0]}")
    if missing:
        print(f"making {folder.relative_to(ROOT)}/{NAME}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "benchmarks.make_resnet18", str(folder / NAME)], cwd=ROOT, check=True)  # noqa: S603
    return folder


def file(folder: Path, version: int, name: str = NAME) -> Path:
    return folder / name / str(version) / "model.onnx"


def expected_class(path: Path, picture: Picture) -> int:
    """The class that the file gives the picture, by the service's own decoding and a plain session."""
    read = model_file.read(path)
    pixels = network_input(picture.path.read_bytes(), read.metadata.preprocessing)
    return int(np.asarray(onnxruntime(read, 1)(np.stack([pixels]))).argmax())
