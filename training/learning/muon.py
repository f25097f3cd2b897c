"""Muon: momentum whose update is made orthogonal, for the kernels of convolutions and dense layers.

Source: Jordan et al. 2024, kellerjordan.github.io/posts/muon; the settings are those of airbench94_muon. `torch.optim`
has one for matrices only, and a convolution's kernels have four axes.
"""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

Matrix = Float[Tensor, "outputs inputs"]

# Three steps of this quintic bring singular values of 0.05..1 to 0.7..1.2, which is orthogonal enough.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
STEPS = 3


def orthogonalized(matrix: Matrix) -> Matrix:
    """About U V^T of the singular value decomposition U S V^T, by Newton-Schulz steps in bfloat16."""
    a, b, c = COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if tall else matrix).bfloat16()
    x = x / (x.norm() + 1e-7)
    for _ in range(STEPS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    direction: Tensor = x.T if tall else x
    return direction.to(matrix.dtype)


class Muon(torch.optim.Optimizer):
    """Every step first brings each kernel tensor to the norm sqrt(outputs), so that no weight decay is needed.

    Only for networks whose kernels are followed by a normalisation: elsewhere their norm means something.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float, momentum: float) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override] # nothing is evaluated twice
        del closure
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group["lr"], group["momentum"])

    def _update(self, parameter: Tensor, gradient: Tensor, rate: float, momentum: float) -> None:
        velocity = self.state[parameter].setdefault("velocity", torch.zeros_like(parameter))
        velocity.mul_(momentum).add_(gradient)
        direction = gradient.add(velocity, alpha=momentum)  # Nesterov's
        parameter.mul_(len(parameter) ** 0.5 / parameter.norm())
        parameter.sub_(orthogonalized(direction.flatten(1)).view_as(parameter), alpha=rate)
