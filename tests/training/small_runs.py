"""What the tests of training share: a finished run, a part of some examples, a training nobody watches."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from service.engine.model_metadata import ModelMetadata
from training.datasets import Examples
from training.loop import Epoch, Step


@dataclass(frozen=True)
class Run:
    untrained: Path
    trained: Path
    metadata: dict[Path, ModelMetadata]


def first(examples: Examples, count: int) -> Examples:
    return examples.where(torch.arange(len(examples)) < count)


def unwatched(events: Iterator[Step | Epoch]) -> None:
    deque(events, maxlen=0)
