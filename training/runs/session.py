"""A run between its data and its files: begun, or taken up from a checkpoint. Shows nothing and publishes nothing."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from training.datasets import Dataset, Examples, parts, scalable
from training.datasets.fingerprint import fingerprint
from training.datasets.placement import placed
from training.errors import CheckpointError, UnfitImagesError, UnfitLabelsError
from training.hardware import hardware
from training.learning.events import Epoch, Step
from training.learning.group import Group
from training.learning.loop import train
from training.learning.state import State, Weights, restore, snapshot, started, weights_of
from training.networks import NETWORKS
from training.networks.measuring import measure
from training.networks.named import architecture_named
from training.recipes import Recipe
from training.runs import checkpoint
from training.runs.backbone import backbone_weights, freeze, with_backbone
from training.runs.checkpoint import Checkpoint
from training.runs.plan import Plan


@dataclass(frozen=True)
class Session:
    """`initial` are the weights before the first step; `state` changes while `events` are consumed.

    `hardware` is what it was trained on, one machine after the other.
    """

    plan: Plan
    dataset: Dataset
    training: Examples
    validation: Examples
    group: Group
    initial: Weights
    state: State
    hardware: tuple[str, ...]

    def events(self) -> Iterator[Step | Epoch]:
        """The steps and epochs that are left. Raises DivergedError."""
        return train(
            self.state,
            placed(self.training, self.group.device),
            placed(self.validation, self.group.device),
            len(self.dataset.class_names),
            self.plan.recipe,
            self.group,
        )

    def saved(self) -> Checkpoint:
        """What goes on from here. With several processes all must call it."""
        state = snapshot(self.state, self.group)
        return Checkpoint(self.plan, fingerprint(self.dataset), self.group.world, self.initial, state, self.hardware)

    def gone_on(self) -> "Session":
        """The same, with the hardware on which it trains from now on."""
        return replace(self, hardware=tuple(dict.fromkeys((*self.hardware, hardware(self.group)))))


def begun(plan: Plan, dataset: Dataset, group: Group) -> Session:
    """Before its first step. Raises UnfitLabelsError, UnfitImagesError, InvalidRecipeError, UnfitBackboneError."""
    _check_labels(dataset)
    training, validation = parts(dataset, plan.recipe.validation_every)
    network = initial_network(plan, dataset)
    initial = weights_of(network)
    state = started(network, plan.recipe, plan.seed, group)
    return Session(plan, dataset, training, validation, group, initial, state, (hardware(group),))


def resumed(folder: Path, found: Checkpoint, dataset: Dataset, group: Group) -> Session:
    """Where `found`, the checkpoint in `folder`, was taken; what it began with it brings along.

    Raises CheckpointError for other data or processes.
    """
    if found.data != fingerprint(dataset):
        raise CheckpointError(folder, "was made with other data", "give the folder of that data: --data")
    if found.processes != group.world:
        remedy = f"start as many: torchrun --nproc-per-node {found.processes}"
        raise CheckpointError(folder, f"was made by {found.processes} processes, these are {group.world}", remedy)
    session = begun(replace(found.plan, backbone=None), dataset, group)
    restore(session.state, found.state, group)
    session.initial.update(found.initial)
    return replace(session, plan=found.plan, hardware=found.hardware)


def initial_network(plan: Plan, dataset: Dataset) -> nn.Module:
    """The network before its first step, on the CPU: random weights from the seed, or a backbone and a new head."""
    architecture = architecture_named(plan.recipe.network)
    torch.manual_seed(plan.seed)
    network = architecture.build(len(dataset.class_names))
    measure(network, dataset.training.images)
    if plan.backbone is not None:
        with_backbone(network, backbone_weights(plan.backbone))
    if plan.recipe.frozen_backbone:
        freeze(network)
    _check_images(network, plan.recipe, dataset)
    return network


def network_with(session: Session, weights: Weights) -> nn.Module:
    """A copy of the session's network with these weights, on the CPU, in evaluation mode."""
    network = deepcopy(session.state.network).cpu().eval()
    network.load_state_dict(weights)
    return network


def write_checkpoint(folder: Path, session: Session) -> None:
    """By the first process; all must call it. Raises CheckpointError."""
    saved = session.saved()
    if session.group.first:
        checkpoint.write(folder, saved)


def _check_labels(dataset: Dataset) -> None:
    classes = len(dataset.class_names)
    if classes < 2:
        raise UnfitLabelsError(f"there is only one class: {', '.join(dataset.class_names)}", "give images of another")
    for examples in (dataset.training, dataset.test):
        low, high = int(examples.labels.min()), int(examples.labels.max())
        if low < 0 or high >= classes:
            raise UnfitLabelsError(f"labels lie in {low}..{high}", f"the {classes} classes are 0..{classes - 1}")


def _check_images(network: nn.Module, recipe: Recipe, dataset: Dataset) -> None:
    shape = dataset.image_shape
    try:
        with torch.inference_mode():
            network.eval()(torch.zeros(1, *shape, dtype=torch.uint8))
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        takes = NETWORKS[recipe.network].input_shape
        raise UnfitImagesError(recipe.network, takes, shape, reason, scalable=scalable(recipe.dataset)) from error
