"""The range test of Smith (2015), as fastai runs it: the rate rises step by step, and the loss tells which is good.

Knows no loop: whoever asks gives a function that makes one step. What it suggests is for a person to try.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from training.errors import LearningRateNotFoundError

SMOOTHING = (
    0.9  # of the past in the mean of the losses: it looks 10 steps back; fastai's 0.98 looks 50 back, half of the test
)
BLOWN_UP = 4.0  # times the best loss so far, as in fastai


@dataclass(frozen=True)
class RangeTest:
    """One entry a step, up to the step at which the loss blew up; losses are smoothed."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]

    @property
    def suggestion(self) -> float:
        return suggested(self.rates, self.losses)


def range_test(
    step: Callable[[float], float], *, lowest: float = 1e-6, highest: float = 10.0, steps: int = 100
) -> RangeTest:
    """Calls `step(rate) -> loss` with rates that rise by the same factor, until the loss exceeds 4 times its best.

    A loss that is not finite ends it too. The network that `step` moves is spoiled: give it a copy.
    """
    rates: list[float] = []
    losses: list[float] = []
    mean = 0.0
    for done in range(steps):
        rate = lowest * (highest / lowest) ** (done / max(1, steps - 1))
        loss = step(rate)
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        smoothed = mean / (1 - SMOOTHING ** (done + 1))  # as if the losses before the first had been like it
        if not math.isfinite(loss) or (losses and smoothed > BLOWN_UP * min(losses)):
            break
        rates.append(rate)
        losses.append(smoothed)
    return RangeTest(tuple(rates), tuple(losses))


def suggested(rates: Sequence[float], losses: Sequence[float]) -> float:
    """The rate at which the loss falls most for the same factor on the rate; of rises after the best it knows nothing.

    Raises LearningRateNotFoundError where the loss falls nowhere.
    """
    best = min(range(len(losses)), key=losses.__getitem__, default=0)
    if best == 0:
        raise LearningRateNotFoundError(rates)
    heights = torch.tensor(losses[: best + 1], dtype=torch.double)
    places = torch.tensor(rates[: best + 1], dtype=torch.double).log()
    (slopes,) = torch.gradient(heights, spacing=(places,))
    return float(rates[int(slopes.argmin())])
