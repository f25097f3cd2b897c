"""Single steps of a run at any rate, for whoever looks for a good one. Spoils the state's network."""

from collections.abc import Callable
from itertools import chain, repeat

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name

from training.augmentation import pixels_and_targets
from training.datasets.dataset import Examples
from training.learning.loop import batches_of
from training.learning.optimizers import set_rate
from training.learning.state import State
from training.recipes.recipe import Recipe


def trial_step(
    state: State, training: Examples, classes: int, recipe: Recipe, device: torch.device
) -> Callable[[float], float]:
    """`step(rate)` makes the next step as the recipe says, but for the rate, and gives its loss.

    Batches come in one random order, over and over. The rate stands for the recipe's `max_learning_rate`.
    """
    order = torch.randperm(len(training), generator=state.draws)
    batches = chain.from_iterable(repeat(batches_of(order, recipe.batch_size, world=1)))
    fill = state.network.get_buffer("normalize.mean").flatten().to(training.images.device)
    state.network.train()

    def step(rate: float) -> float:
        pixels, targets = pixels_and_targets(
            training, next(batches), recipe, epoch=1, generator=state.draws, classes=classes, fill=fill
        )
        set_rate(state.optimizers, rate / recipe.max_learning_rate)
        with torch.autocast(device.type, torch.bfloat16, enabled=recipe.bfloat16):
            logits = state.network(pixels.to(device)).float()
        loss = F.cross_entropy(logits, targets.to(device))
        for optimizer in state.optimizers:
            optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call] # torch's own
        for optimizer in state.optimizers:
            optimizer.step()
        return loss.item()

    return step
