"""What a network answers, for the questions that are about its answer: class scores, probabilities, names of classes.

Knows no HTTP and not the classifier that serves. Scores become probabilities by `service.engine.probabilities`, the
same function that serves.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from service.arrays import ClassScores, InputBatch, Scores
from service.engine.model_file import ModelFile
from service.engine.network_interface import Activation
from service.engine.probabilities import probabilities
from service.errors import InvalidParameterError, NotAClassifierError, nearest
from service.inspection.network import Network


class ClassAnswer(BaseModel):
    """One class of an answer."""

    model_config = ConfigDict(frozen=True)

    label: str
    index: int = Field(description="position of the class in the model's output, from 0")
    probability: float | None = Field(description="softmax(logit / temperature); null where it is NaN")
    logit: float | None = Field(description="the network's raw score; null where the file gives only probabilities")


@dataclass(frozen=True)
class Answer:
    """One image's: the probability of every class, and the most probable ones by name, best first."""

    probabilities: ClassScores
    top: list[ClassAnswer]


def class_scores(network: Network, batch: InputBatch) -> Scores:
    """One row of class scores per image, whatever the file's own batch size; NaN and infinity stay.

    Raises NotAClassifierError under the graph's name: who knows the model's name looks at `network.file.output` first.
    """
    output = network.file.output
    if output is None:
        raise NotAClassifierError(network.file.graph.name)
    return as_scores(network.rows(output.name, batch))


def as_scores(values: np.ndarray) -> Scores:
    """The tensor of the class output, [batch, classes] or [batch, classes, 1, 1], as rows of float32."""
    rows: Scores = values.reshape(len(values), -1).astype(np.float32, copy=False)
    return rows


def answer(file: ModelFile, values: np.ndarray, activation: Activation | None, top: int) -> Answer:
    """What the tensor of the class output says of one image. `activation`: what it already went through."""
    scores, said = as_scores(values), file.metadata
    (best,) = top_classes(said.class_names, scores, activation, said.temperature, top)
    return Answer(probabilities(scores, activation, said.temperature)[0], best)


def class_index(network: Network, text: str) -> int:
    """The class that `text` names: by its name, else by its index.

    A name comes first, so that "7" is the class of that name also where classes are numbered otherwise.
    Raises InvalidParameterError with the nearest names.
    """
    names = network.file.metadata.class_names
    if text in names:
        return names.index(text)
    if text.isascii() and text.isdigit() and len(text) < 10 and int(text) < len(names):
        return int(text)
    known = f"its names are like {nearest(text, names)}, its indices 0 to {len(names) - 1}"
    raise InvalidParameterError("class", text, known if names else "this model has no classes")


def top_classes(
    names: Sequence[str], scores: Scores, activation: Activation | None, temperature: float, top: int
) -> list[list[ClassAnswer]]:
    """Each row's `top` most probable classes; of equals the lower index comes first."""
    chances = probabilities(scores, activation, temperature)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    return [
        [
            ClassAnswer(
                label=names[index],
                index=index,
                probability=finite(row_chances[index]),
                logit=finite(row_scores[index]) if activation is None else None,
            )
            for index in row.tolist()
        ]
        for row, row_chances, row_scores in zip(order, chances.tolist(), scores.tolist(), strict=True)
    ]


def finite(value: float) -> float | None:
    """As JSON can say it: None for NaN and infinity."""
    return value if math.isfinite(value) else None
