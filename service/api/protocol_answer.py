"""An infer answer of the Open Inference Protocol V2: scores, or the best classes with labels, as JSON or binary.

Knows the request's wishes and the model's output; how the scores came about is not its concern.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic_core import to_json as json_bytes

from service.api.protocol_models import SCORES
from service.api.protocol_request import LENGTH_HEADER, InferRequest
from service.api.tensor_codec import to_binary, to_json
from service.arrays import Scores
from service.engine.classifier import Classifier
from service.engine.network_interface import ClassOutput
from service.errors import AnswerTooLargeError, InvalidParameterError, InvalidTensorError, shown

_JSON_BYTES = 20  # a score as decimal text, most of the time less
_CLASS_BYTES = 40  # "value:index:label" with a label of common length


@dataclass(frozen=True)
class Wishes:
    """`classes` > 0 asks for so many best classes in place of all scores."""

    binary: bool
    classes: int = 0


def wishes(request: InferRequest | None, output: ClassOutput) -> Wishes:
    """What the request asks of the only output. A body without JSON asks for binary, as Triton understands it."""
    if request is None:
        return Wishes(binary=True)
    asked = [item.name for item in request.outputs]
    if asked not in ([], [output.name]):
        listed = ", ".join(shown(name) for name in asked[:4])
        raise InvalidTensorError(f"the outputs asked for are {listed}", f"ask for {output.name!r} once, or for none")
    parameters = request.outputs[0].parameters if request.outputs else {}
    if "shared_memory_region" in parameters:
        raise InvalidTensorError("shared memory is not written here", "ask for the output without it")
    binary = parameters.get("binary_data", request.parameters.get("binary_data_output", False))
    classes = parameters.get("classification", 0)
    if not isinstance(binary, bool):
        raise InvalidParameterError("binary_data", binary, "use true or false")
    if isinstance(classes, bool) or not isinstance(classes, int) or classes < 0:
        raise InvalidParameterError("classification", classes, "use a whole number of classes; 0 gives all scores")
    return Wishes(binary, min(classes, output.classes))


def check_size(rows: int, wished: Wishes, output: ClassOutput, max_bytes: int) -> None:
    """Raises AnswerTooLargeError before anything runs; an estimate for text."""
    per_row = wished.classes * _CLASS_BYTES or output.classes * (4 if wished.binary else _JSON_BYTES)
    if rows * per_row > max_bytes:
        raise AnswerTooLargeError(
            f"the answer to {rows:,} inputs takes about {rows * per_row:,} bytes, of at most {max_bytes:,}",
            "send fewer inputs, or ask for fewer classes",
        )


def packed(
    scores: Scores, wished: Wishes, request: InferRequest | None, classifier: Classifier
) -> tuple[bytes, dict[str, str]]:
    """The body and its headers; with binary data the JSON comes first and a header says how long it is."""
    assert classifier.file.output is not None  # noqa: S101 - there are scores
    labels = classifier.file.metadata.class_names
    values = _best(scores, wished.classes, labels) if wished.classes else scores
    output: dict[str, Any] = {
        "name": classifier.file.output.name,
        "datatype": "BYTES" if wished.classes else SCORES,
        "shape": list(values.shape),
    }
    head = {"model_name": classifier.name, "model_version": str(classifier.version)}
    if request is not None and request.id is not None:
        head["id"] = request.id
    if not wished.binary:
        text = json_bytes({**head, "outputs": [{**output, "data": to_json(values)}]})
        return text, {"Content-Type": "application/json"}
    data = to_binary(values)
    text = json_bytes({**head, "outputs": [{**output, "parameters": {"binary_data_size": len(data)}}]})
    return text + data, {"Content-Type": "application/octet-stream", LENGTH_HEADER: str(len(text))}


def _best(scores: Scores, count: int, labels: Sequence[str]) -> np.ndarray:
    """The highest scores of each row as `value:index:label`, of equals the lower index first."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    best = np.empty(order.shape, object)
    for (row, place), index in np.ndenumerate(order):
        best[row, place] = f"{scores[row, index]:f}:{index}:{labels[int(index)]}".encode()
    return best
