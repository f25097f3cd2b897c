"""Everything that a run holds between two steps: what a checkpoint keeps, so that resumed equals uninterrupted."""

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from service.engine.training_history import EpochRecord
from training.learning.averaging import averaged
from training.learning.group import Group, gathered
from training.learning.optimizers import optimizers
from training.recipes import Recipe

Weights = dict[str, Tensor]


@dataclass
class Place:
    """Where in the run: `step` batches of `epoch` are done, whose images come in `order`; sums over these so far."""

    epoch: int = 1
    step: int = 0
    order: Tensor | None = None
    sums: Tensor = field(default_factory=lambda: torch.zeros(3))  # loss, right answers, images


@dataclass
class State:
    """`draws` gives order and augmentation, the same in every process; dropout draws from torch's own generator."""

    network: nn.Module
    optimizers: tuple[Optimizer, ...]
    average: AveragedModel | None
    draws: torch.Generator
    place: Place
    records: list[EpochRecord]
    kept_epoch: int
    kept: Weights
    seconds: float = 0.0

    @property
    def measured(self) -> nn.Module:
        """The network whose answers count: the average of the weights where the recipe asks for it."""
        return self.network if self.average is None else self.average.module


def started(network: nn.Module, recipe: Recipe, seed: int, group: Group) -> State:
    """Before the first step. Moves `network` to the group's device and seeds torch's generator for this process."""
    network.to(group.device)
    if recipe.channels_last:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # absent from torch's stubs
    torch.manual_seed(seed + group.rank)
    return State(
        network=network,
        optimizers=optimizers(network, recipe),
        average=averaged(network, recipe.average_decay) if recipe.average_decay else None,
        draws=torch.Generator().manual_seed(seed),
        place=Place(),
        records=[],
        kept_epoch=0,
        kept=weights_of(network),
    )


def weights_of(network: nn.Module) -> Weights:
    """A copy that later steps do not change."""
    return deepcopy(network.state_dict())


def snapshot(state: State, group: Group) -> dict[str, Any]:
    """As tensors, numbers and text only. With several processes all must call it."""
    return {
        "network": state.network.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in state.optimizers],
        "average": None if state.average is None else state.average.state_dict(),
        "draws": state.draws.get_state(),
        "generators": gathered(torch.get_rng_state(), group),
        "place": vars(state.place),
        "records": [record.model_dump() for record in state.records],
        "kept_epoch": state.kept_epoch,
        "kept": state.kept,
        "seconds": state.seconds,
    }


def restore(state: State, saved: dict[str, Any], group: Group) -> None:
    """Brings a state that was `started` alike to where `saved` was taken; as many processes as then."""
    state.network.load_state_dict(saved["network"])
    for optimizer, values in zip(state.optimizers, saved["optimizers"], strict=True):
        optimizer.load_state_dict(values)
    if state.average is not None:
        state.average.load_state_dict(saved["average"])
    state.draws.set_state(saved["draws"])
    torch.set_rng_state(saved["generators"][group.rank])
    state.place = Place(**saved["place"])
    state.records = [EpochRecord(**record) for record in saved["records"]]
    state.kept_epoch, state.kept, state.seconds = saved["kept_epoch"], saved["kept"], saved["seconds"]
