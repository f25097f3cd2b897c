"""Who moves which parameter, how fast, and what decay pulls on."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.optim import SGD, AdamW

from training.learning.muon import Muon
from training.learning.optimizers import optimizers, set_rate
from training.recipes import Recipe
from training.recipes.digits import DIGITS
from training.recipes.recipe import Optimizer

RATE, BATCH, DECAY = 0.24, 100, 0.01


def network() -> nn.Sequential:
    torch.manual_seed(0)
    frozen = nn.Conv2d(3, 4, 1, bias=False)
    frozen.weight.requires_grad = False
    return nn.Sequential(frozen, nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 2, bias=False))


def recipe(optimizer: Optimizer) -> Recipe:
    return replace(DIGITS, optimizer=optimizer, max_learning_rate=RATE, batch_size=BATCH, weight_decay=DECAY)


def moved(parameters: nn.Sequential, optimizer: torch.optim.Optimizer) -> dict[str, tuple[float, float]]:
    """Rate and decay of each parameter that the optimiser has, by its name."""
    names = {id(parameter): name for name, parameter in parameters.named_parameters()}
    return {
        names[id(parameter)]: (group["lr"], group.get("weight_decay", 0.0))
        for group in optimizer.param_groups
        for parameter in group["params"]
    }


@pytest.mark.parametrize(("choice", "kind"), [("adamw", AdamW), ("sgd", SGD)])
def test_one_optimiser_moves_all_that_learns_and_decay_spares_what_has_one_axis(
    choice: Optimizer, kind: type[torch.optim.Optimizer]
) -> None:
    net = network()
    (only,) = optimizers(net, recipe(choice))
    assert isinstance(only, kind)
    assert moved(net, only) == {
        "1.weight": (RATE, DECAY),
        "4.weight": (RATE, DECAY),
        "1.bias": (RATE, 0.0),
        "2.weight": (RATE, 0.0),
        "2.bias": (RATE, 0.0),
    }


def test_muon_moves_the_kernels_and_adamw_the_rest() -> None:
    net = network()
    muon, adamw = optimizers(net, recipe("muon"))
    assert isinstance(muon, Muon)
    assert isinstance(adamw, AdamW)
    assert moved(net, muon) == {"1.weight": (RATE, 0.0)}
    assert set(moved(net, adamw)) == {"4.weight", "1.bias", "2.weight", "2.bias"}
    assert moved(net, adamw)["4.weight"] == pytest.approx((0.0096, DECAY))


def test_airbench_moves_the_rest_by_its_published_rates_for_a_summed_loss() -> None:
    net = network()
    muon, descent = optimizers(net, recipe("airbench"))
    assert isinstance(muon, Muon)
    assert isinstance(descent, SGD)
    found = moved(net, descent)
    assert found["1.bias"] == pytest.approx((0.053 * BATCH, DECAY / (0.053 * BATCH)))
    assert found["4.weight"] == pytest.approx((0.67 * BATCH, DECAY / (0.67 * BATCH)))


def test_its_decay_is_the_share_of_a_weight_that_one_step_takes() -> None:
    net = network()
    _, descent = optimizers(net, recipe("airbench"))
    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)
    dense = net.get_parameter("4.weight")
    before = dense.detach().clone()
    descent.step()
    # Nesterov's first step looks ahead: 1 + momentum times the plain one.
    torch.testing.assert_close(dense.detach(), before * (1 - 1.85 * DECAY))


def test_every_rate_follows_the_schedule_by_its_own_peak() -> None:
    found = optimizers(network(), recipe("airbench"))
    assert set_rate(found, 0.5) == pytest.approx(RATE / 2)
    assert found[1].param_groups[0]["lr"] == pytest.approx(0.053 * BATCH / 2)
    assert set_rate(found, 1.0) == pytest.approx(RATE)


@pytest.mark.parametrize(("choice", "kind"), [("muon", AdamW), ("airbench", SGD)])
def test_where_every_kernel_is_frozen_there_is_no_muon(choice: Optimizer, kind: type[torch.optim.Optimizer]) -> None:
    net = network()
    net.get_parameter("1.weight").requires_grad = False
    (only,) = optimizers(net, recipe(choice))
    assert isinstance(only, kind)
    assert moved(net, only).keys() == {"1.bias", "2.weight", "2.bias", "4.weight"}
