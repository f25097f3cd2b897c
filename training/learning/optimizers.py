"""A recipe's optimisers over a network's parameters. Each group remembers its own peak rate as `peak`."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from training.learning.muon import Muon
from training.recipes import Recipe

ADAMW_SHARE = 0.04  # of Muon's rate, for what Muon does not move: AdamW's steps are of another size
# airbench94_muon's rates for these by plain descent, as shares of Muon's; for a gradient that is summed, not averaged.
BIAS_SHARE, DENSE_SHARE = 0.053 / 0.24, 0.67 / 0.24
DESCENT_MOMENTUM = 0.85


def optimizers(network: nn.Module, recipe: Recipe) -> tuple[Optimizer, ...]:
    """Over the parameters that learn, in the order of the network. Decay pulls on kernels and matrices only.

    Biases and normalisations have one axis and stay free. `muon` moves the kernels of convolutions; AdamW, at a
    fixed share of its rate, moves all else. In `airbench` SGD does so, fast enough for logits scaled down as there.
    Where every kernel is frozen there is no Muon.
    """
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    rate = recipe.max_learning_rate
    if recipe.optimizer in ("muon", "airbench"):
        kernels = [parameter for parameter in learning if parameter.ndim == 4]
        rest = [parameter for parameter in learning if parameter.ndim != 4]
        others = _adamw(rest, recipe) if recipe.optimizer == "muon" else _descent(rest, recipe)
        return _peaked(*([Muon(kernels, rate, recipe.momentum)] if kernels else []), others)
    groups = _groups(learning, recipe.weight_decay)
    if recipe.optimizer == "sgd":
        return _peaked(SGD(groups, rate, recipe.momentum, nesterov=recipe.momentum > 0, fused=True))
    return _peaked(AdamW(groups, rate, fused=True))


def _adamw(rest: Sequence[torch.Tensor], recipe: Recipe) -> Optimizer:
    groups = _groups(rest, recipe.weight_decay)
    return AdamW(groups, recipe.max_learning_rate * ADAMW_SHARE, (0.9, 0.95), fused=True)


def _descent(rest: Sequence[torch.Tensor], recipe: Recipe) -> Optimizer:
    """`weight_decay` is then the share of each weight, a bias too, that a step at the peak rate takes away."""
    summed = recipe.max_learning_rate * recipe.batch_size
    groups = [
        {"params": [p for p in rest if dense == (p.ndim > 1)], "lr": rate, "weight_decay": recipe.weight_decay / rate}
        for dense, rate in ((False, BIAS_SHARE * summed), (True, DENSE_SHARE * summed))
    ]
    return SGD(groups, momentum=DESCENT_MOMENTUM, nesterov=True)


def set_rate(found: Sequence[Optimizer], share: float) -> float:
    """Every group at this share of its peak; returns the rate of the first."""
    for optimizer in found:
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * share
    return float(found[0].param_groups[0]["lr"])


def _peaked(*found: Optimizer) -> tuple[Optimizer, ...]:
    for optimizer in found:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return found


def _groups(parameters: Sequence[torch.Tensor], weight_decay: float) -> list[dict[str, object]]:
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
