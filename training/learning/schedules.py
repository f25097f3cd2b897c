"""The learning rate over a run, as a share of its peak. Pure."""

import math

from training.recipes.recipe import Schedule

WARM_UP_SHARE = 0.2


def rate_share(schedule: Schedule, step: int, steps: int) -> float:
    """The share 0..1 of the peak at `step` of 0 .. steps - 1.

    `one_cycle` rises linearly over the first fifth, then falls to 0 along a cosine (Smith 2018); `linear` falls from
    the peak to 0 (airbench94_muon); `constant` stays.
    """
    if schedule == "constant":
        return 1.0
    if schedule == "linear":
        return 1 - step / steps
    warm_up = max(1, round(steps * WARM_UP_SHARE))
    if step < warm_up:
        return (step + 1) / warm_up
    return (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up))) / 2
