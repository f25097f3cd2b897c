"""The moving average of weights: it starts at the network, follows it, and keeps what is no number of its own."""

import pytest
import torch
from torch import nn

from training.learning.averaging import averaged


def test_after_many_steps_it_moves_by_one_minus_the_decay() -> None:
    network = nn.Linear(1, 1, bias=False)
    average = averaged(network, 0.5)
    values = []
    for value in [*[0.0] * 20, 1.0]:
        nn.init.constant_(network.weight, value)
        average.update_parameters(network)
        values.append(average.module.get_parameter("weight").item())
    assert values[-1] == pytest.approx(0.5)


def test_the_first_steps_weigh_more_so_that_the_random_start_is_forgotten() -> None:
    network = nn.Linear(1, 1, bias=False)
    average = averaged(network, 0.999)
    for value in (0.0, 1.0):
        nn.init.constant_(network.weight, value)
        average.update_parameters(network)
    assert average.module.get_parameter("weight").item() == pytest.approx(1 - 2 / 11)


def test_statistics_of_normalisation_move_too_and_counters_are_copied() -> None:
    network = nn.BatchNorm1d(1)
    average = averaged(network, 0.5)
    average.update_parameters(network)
    network.train()(torch.full((4, 1), 10.0))
    average.update_parameters(network)
    assert 0 < average.module.get_buffer("running_mean").item() <= network.get_buffer("running_mean").item()
    assert average.module.get_buffer("num_batches_tracked").item() == 1
