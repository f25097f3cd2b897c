"""What the tests of training share: a finished run, a part of some examples, a session nobody watches."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from service.engine.model_metadata import ModelMetadata
from training.datasets import Dataset, Examples
from training.learning.events import Epoch, Step
from training.learning.group import Group
from training.recipes import Recipe
from training.runs.plan import Plan
from training.runs.session import Session, begun


@dataclass(frozen=True)
class Run:
    untrained: Path
    trained: Path
    metadata: dict[Path, ModelMetadata]


def first(examples: Examples, count: int) -> Examples:
    return examples.where(torch.arange(len(examples)) < count)


def planned(recipe: Recipe, seed: int = 0, out: Path = Path("models")) -> Plan:
    return Plan(recipe=recipe, seed=seed, name=recipe.name, out=out)


def session(recipe: Recipe, dataset: Dataset, seed: int = 0, out: Path = Path("models")) -> Session:
    """Before its first step, on the CPU, alone."""
    return begun(planned(recipe, seed, out), dataset, Group())


def unwatched(events: Iterator[Step | Epoch]) -> None:
    deque(events, maxlen=0)


def trained(recipe: Recipe, dataset: Dataset, seed: int = 0) -> dict[str, Tensor]:
    """The weights and buffers that a whole run ends with."""
    run = session(recipe, dataset, seed)
    unwatched(run.events())
    return dict(run.state.network.state_dict())
