"""Steps at a rate that the caller chooses: that rate moves the weights, and the loss is that of the batch."""

import math
from collections import OrderedDict

import torch
from torch import nn

from tests.training.augmentation.images import STILL
from tests.training.small_runs import first
from training.datasets import Dataset
from training.learning.group import Group
from training.learning.state import State, started
from training.learning.trial import trial_step
from training.networks.digits_cnn import digits_cnn
from training.networks.layers.normalize import Normalize

CPU = torch.device("cpu")


def begun() -> State:
    torch.manual_seed(0)
    return started(digits_cnn(), STILL, 0, Group())


def test_a_larger_rate_moves_the_weights_further(few_digits: Dataset) -> None:
    moved = []
    for rate in (1e-4, 1e-2):
        state = begun()
        before = state.network.get_parameter("conv1.weight").detach().clone()
        trial_step(state, few_digits.training, 10, STILL, CPU)(rate)
        moved.append(float((state.network.get_parameter("conv1.weight").detach() - before).abs().max()))
    assert 50 < moved[1] / moved[0] < 200


def test_steps_at_a_fair_rate_bring_the_loss_down_over_more_than_one_pass(few_digits: Dataset) -> None:
    step = trial_step(begun(), few_digits.training, 10, STILL, CPU)
    losses = [step(4e-3) for _ in range(15)]  # a pass over 300 images is 5 batches of 64
    assert losses[-1] < losses[0] / 2


def test_an_image_that_is_left_over_joins_the_last_batch(few_digits: Dataset) -> None:
    """Alone it would be one value a channel behind these kernels, of which no normalisation can take a deviation."""
    layers = {"conv": nn.Conv2d(1, 4, 8), "norm": nn.BatchNorm2d(4), "flatten": nn.Flatten(), "dense": nn.Linear(4, 10)}
    state = started(nn.Sequential(OrderedDict(normalize=Normalize(1), **layers)), STILL, 0, Group())
    step = trial_step(state, first(few_digits.training, 2 * STILL.batch_size + 1), 10, STILL, CPU)
    losses = [step(1e-3) for _ in range(3)]
    assert all(math.isfinite(loss) for loss in losses)
    assert int(state.network.get_buffer("norm.num_batches_tracked")) == 3
