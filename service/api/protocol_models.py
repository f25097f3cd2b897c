"""What the Open Inference Protocol V2 says of models: metadata, configuration, statistics, the repository's index.

Turns what the engine knows into the protocol's JSON objects; asks nobody. Durations are totals in nanoseconds.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from service.api.tensor_codec import datatype_of
from service.engine.classifier import Classifier
from service.engine.durations import Durations
from service.engine.network_interface import ImageInput
from service.engine.registry import Slot
from service.engine.statistics import Figures, Total

SCORES = "FP32"  # whatever the network computes in, the service gives scores in this datatype
_FREE = -1
_NEVER = Total()


def input_shape(
    taken: ImageInput, batch: int = _FREE, height: int | None = None, width: int | None = None
) -> list[int]:
    """The shape of the network's input, -1 where any size is taken. The batch always is: fixed ones are filled up."""
    sides = [taken.height or height or _FREE, taken.width or width or _FREE]
    return [batch, *sides, taken.channels] if taken.layout == "NHWC" else [batch, taken.channels, *sides]


def metadata(classifier: Classifier, versions: Sequence[int]) -> dict[str, Any]:
    """A network without class scores has no output here: it cannot infer."""
    taken, given = classifier.file.input, classifier.file.output
    datatype = datatype_of(np.dtype(taken.dtype))
    return {
        "name": classifier.name,
        "versions": [str(version) for version in versions],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": taken.name, "datatype": datatype, "shape": input_shape(taken)}],
        "outputs": [{"name": given.name, "datatype": SCORES, "shape": [_FREE, given.classes]}] if given else [],
    }


def configuration(classifier: Classifier, max_batch: int) -> dict[str, Any]:
    """Triton's model configuration, as far as it applies: dimensions without the batch, batches made by the service."""
    taken, given = classifier.file.input, classifier.file.output
    image = {
        "name": taken.name,
        "data_type": f"TYPE_{datatype_of(np.dtype(taken.dtype))}",
        "dims": input_shape(taken)[1:],
    }
    return {
        "name": classifier.name,
        "platform": "onnxruntime_onnx",
        "backend": "onnxruntime",
        "max_batch_size": max_batch,
        "input": [{**image, "format": f"FORMAT_{taken.layout}"}],
        "output": [{"name": given.name, "data_type": f"TYPE_{SCORES}", "dims": [given.classes]}] if given else [],
        "instance_group": [{"kind": "KIND_GPU" if classifier.device.provider == "cuda" else "KIND_CPU", "count": 1}],
        "dynamic_batching": {},
    }


def statistics(name: str, version: int, figures: Figures) -> dict[str, Any]:
    """What ran since the start. `compute_input` is decoding; packing is not counted: `compute_output` stays 0."""
    return {
        "name": name,
        "version": str(version),
        "last_inference": figures.last_run,
        "inference_count": figures.images,
        "execution_count": figures.runs,
        "inference_stats": {
            "success": _duration(figures.success),
            "fail": _duration(figures.failure),
            "queue": _duration(figures.queue),
            "compute_input": _duration(figures.decode),
            "compute_infer": _duration(figures.inference),
            "compute_output": _duration(Total(figures.success.count)),
            "cache_hit": _duration(_NEVER),
            "cache_miss": _duration(_NEVER),
        },
        "response_stats": {},
        "batch_stats": [{"batch_size": size, **_of_runs(total)} for size, total in sorted(figures.batches.items())],
        "memory_usage": [],
    }


def index(slots: Sequence[Slot]) -> list[dict[str, str]]:
    return [
        {
            "name": slot.entry.name,
            "version": str(slot.entry.version),
            "state": "UNAVAILABLE" if slot.state == "unloaded" else slot.state.upper(),
            "reason": "unloaded" if slot.state == "unloaded" else slot.reason or "",
        }
        for slot in slots
    ]


def _of_runs(inference: Total) -> dict[str, dict[str, int]]:
    uncounted = _duration(Total(inference.count))
    return {"compute_input": uncounted, "compute_infer": _duration(inference), "compute_output": uncounted}


def _duration(total: Total | Durations) -> dict[str, int]:
    return {"count": total.count, "ns": total.nanoseconds}
