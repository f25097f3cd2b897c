"""How fast this machine trains a network with each choice of arithmetic, so that a person can put the best in a recipe.

Measured, never guessed: bfloat16 is several times as fast on one processor and half as fast on the next. Nothing here
decides by itself, as then the clock would decide the weights.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name
from torch import Tensor, nn

from training.learning.optimizers import optimizers
from training.networks.architecture import InputShape
from training.recipes.recipe import Recipe


@dataclass(frozen=True)
class Speed:
    """`settings` as `--set` takes them; images through forward pass, backward pass and step, without augmentation."""

    settings: tuple[str, ...]
    images_per_second: float


def probe(
    build: Callable[[], nn.Module],
    input_shape: InputShape,
    recipe: Recipe,
    device: torch.device,
    *,
    seconds: float = 2.0,
    compiled: bool = False,
) -> list[Speed]:
    """The fastest first, each measured for so many seconds on a network of its own, in the recipe's batches.

    `compiled` also tries torch.compile, where every choice takes about a minute to begin. torch's global generator
    is left as it was.
    """
    with torch.random.fork_rng():
        speeds = [_speed(build(), input_shape, choice, device, seconds) for choice in _choices(recipe, compiled)]
    return sorted(speeds, key=lambda speed: -speed.images_per_second)


def _choices(recipe: Recipe, compiled: bool) -> Iterator[Recipe]:
    for bfloat16, channels_last, by_compiler in product((False, True), (False, True), (False, True)[: 1 + compiled]):
        yield replace(recipe, bfloat16=bfloat16, channels_last=channels_last, compiled=by_compiler)


def _speed(network: nn.Module, input_shape: InputShape, recipe: Recipe, device: torch.device, seconds: float) -> Speed:
    step = _step(network, input_shape, recipe, device)
    step()  # allocates and, where asked, compiles
    began, steps = time.perf_counter(), 0
    while time.perf_counter() < began + seconds or not steps:
        step()
        steps += 1
    per_second = steps * recipe.batch_size / (time.perf_counter() - began)
    names = ("bfloat16", "channels_last", "compiled")
    return Speed(tuple(f"{name}={str(getattr(recipe, name)).lower()}" for name in names), per_second)


def _step(network: nn.Module, input_shape: InputShape, recipe: Recipe, device: torch.device) -> Callable[[], float]:
    """One step on noise; its answer, the loss, is there only when the device has computed it."""
    network.to(device).train()
    if recipe.channels_last:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # absent from torch's stubs
    movers = optimizers(network, recipe)
    model: Callable[[Tensor], Tensor] = torch.compile(network) if recipe.compiled else network
    pixels = torch.randint(0, 256, (recipe.batch_size, *input_shape), dtype=torch.uint8, device=device)
    labels = torch.zeros(recipe.batch_size, dtype=torch.long, device=device)

    def step() -> float:
        with torch.autocast(device.type, torch.bfloat16, enabled=recipe.bfloat16):
            logits = model(pixels).float()
        loss = F.cross_entropy(logits, labels)
        for mover in movers:
            mover.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call] # torch's own
        for mover in movers:
            mover.step()
        return loss.item()

    return step
