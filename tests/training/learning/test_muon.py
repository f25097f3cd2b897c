"""Muon's step: as long in every direction, on kernels of a fixed norm."""

import pytest
import torch
from torch import nn

from training.learning.muon import Muon, orthogonalized


@pytest.mark.parametrize("shape", [(16, 40), (40, 16), (8, 8)])
def test_a_matrix_keeps_its_directions_and_loses_its_lengths(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    left, lengths, right = torch.linalg.svd(matrix, full_matrices=False)
    kept = lengths / lengths.norm() > 0.05
    found = left.T @ orthogonalized(matrix) @ right.T
    assert ((found.diagonal()[kept] > 0.6) & (found.diagonal()[kept] < 1.3)).all()
    assert (found - found.diagonal().diag()).abs().max() < 0.05  # bfloat16


def test_a_step_goes_against_the_gradient_from_kernels_brought_to_norm_sqrt_outputs() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 8, 3)
    before = layer.weight.detach().clone()
    layer.weight.grad = torch.randn_like(layer.weight)
    Muon([layer.weight], lr=0.1, momentum=0.6).step()
    scaled = before * 8**0.5 / before.norm()
    moved = layer.weight.detach() - scaled
    torch.testing.assert_close(moved, -0.1 * orthogonalized(layer.weight.grad.flatten(1) * 1.6).view_as(moved))


def test_momentum_remembers_the_steps_before() -> None:
    layer = nn.Linear(4, 4, bias=False)
    optimizer = Muon([layer.weight], lr=0.1, momentum=0.5)
    for gradient in (torch.eye(4), torch.zeros(4, 4)):
        layer.weight.grad = gradient
        optimizer.step()
    torch.testing.assert_close(optimizer.state[layer.weight]["velocity"], torch.eye(4) / 2)
