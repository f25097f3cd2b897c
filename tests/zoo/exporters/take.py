"""Takes what an exporter of another Python has left in a folder: `python -m tests.zoo.exporters.take FOLDER`.

MXNet and Chainer need a Python that cannot read this package: their scripts write `NAME.onnx` and `NAME.json`, the
keyword arguments of `record`.
"""

import json
import sys
from pathlib import Path

import onnx

from tests.zoo.exporters.record import record


def take(folder: Path) -> None:
    for facts in sorted(folder.glob("*.json")):
        record(onnx.load_model(facts.with_suffix(".onnx")), facts.stem, **json.loads(facts.read_text()))


if __name__ == "__main__":
    take(Path(sys.argv[1]))
