# ruff: noqa: T201
"""One network into the zoo: its stripped file and its line in `networks.json`.

Knows no framework: what a framework counts is handed in.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx

from tests.zoo.stripping import save

ZOO = Path(__file__).parents[1]
_LIST = ZOO / "networks.json"


def record(
    model: onnx.ModelProto,
    name: str,
    *,
    family: str,
    source: str,
    exporter: str,
    input_shape: Sequence[int],
    output_shapes: Sequence[Sequence[int]],
    trainable: int | None,
    parameters: int | None,
    macs: int | None,
    macs_by: str | None,
    differences: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Writes both. `differences` explain what the file holds otherwise than the framework: what, and how much."""
    save(model, ZOO / f"{name}.onnx.xz")
    opset = next(each.version for each in model.opset_import if each.domain in ("", "ai.onnx"))
    known = json.loads(_LIST.read_text()) if _LIST.exists() else {}
    known[name] = {
        "family": family,
        "source": source,
        "exporter": exporter,
        "opset": opset,
        "input_shape": list(input_shape),
        "output_shapes": [list(shape) for shape in output_shapes],
        "trainable_parameters": trainable,
        "parameters": parameters,
        "macs": macs,
        "macs_by": macs_by,
        "differences": list(differences),
    }
    _LIST.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")
    size = (ZOO / f"{name}.onnx.xz").stat().st_size
    print(f"{name}: {size / 1024:.0f} KB, {trainable} trainable, {macs} MACs, {list(map(list, output_shapes))}")
