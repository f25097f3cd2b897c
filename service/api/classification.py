"""Uploads to network inputs, and what became of them to the answer's bytes: what every door to classify shares.

Never waits: where this runs is the caller's choice. Knows no queue.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import orjson

from service.api.uploads import Upload
from service.arrays import NetworkInput
from service.engine.classifier import Classifier
from service.engine.outcomes import Piece
from service.errors import FoveaError, InferenceFailedError
from service.images.decoding import ImageLimits
from service.images.network_input import network_input

Prepared = NetworkInput | FoveaError


def prepared(upload: Upload, limits: ImageLimits, classifier: Classifier) -> Prepared:
    """The network's input, or the reason why there is none: among many images one bad one is not an error."""
    try:
        return network_input(upload.data, limits, classifier.file.metadata.preprocessing)
    except FoveaError as error:
        return error


def ranked(classifier: Classifier, pieces: Sequence[Piece], top: int) -> list[dict[str, Any]]:
    """Each image's `top` most probable classes, or its own error; of equals the lower index comes first."""
    return [result for piece in pieces for result in _of_piece(classifier, piece, top)]


def encoded(
    classifier: Classifier, sent: Sequence[Upload], inputs: Sequence[Prepared], results: Sequence[dict[str, Any]]
) -> bytes:
    """The answer as JSON (`schemas.Classification`). `results` are of the inputs that are no errors, in their order.

    Takes a tenth of the time of its pydantic models.
    """
    good = iter(results)
    metadata = classifier.file.metadata
    answer = {
        "model": classifier.name,
        "version": classifier.version,
        "provider": classifier.device.provider,
        "temperature": metadata.temperature,
        "assumed": metadata.assumed,
        "results": [
            {"image": upload.name, **(_failed(item) if isinstance(item, FoveaError) else next(good))}
            for upload, item in zip(sent, inputs, strict=True)
        ],
    }
    return orjson.dumps(answer)


def _of_piece(classifier: Classifier, piece: Piece, top: int) -> Iterator[dict[str, Any]]:
    if piece.scores is None:
        failure = piece.error if isinstance(piece.error, FoveaError) else InferenceFailedError(classifier.name)
        yield from [_failed(failure)] * piece.count
        return
    names, has_logits = classifier.file.metadata.class_names, classifier.activation is None
    order = np.argsort(-piece.scores, axis=1, kind="stable")[:, :top]
    probabilities = np.take_along_axis(classifier.probabilities(piece.scores), order, axis=1)
    logits = np.take_along_axis(piece.scores, order, axis=1)
    for row in zip(order.tolist(), probabilities.tolist(), logits.tolist(), strict=True):
        yield {
            "predictions": [
                {"label": names[index], "index": index, "probability": chance, "logit": score if has_logits else None}
                for index, chance, score in zip(*row, strict=True)
            ]
        }


def _failed(error: FoveaError) -> dict[str, Any]:
    return {"error": {"code": error.code, "detail": error.detail, "remedy": error.remedy}}
