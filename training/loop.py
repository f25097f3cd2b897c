"""The training loop: examples and a recipe in, weights out, an event after every step. Shows and writes nothing.

Randomness comes from torch's global generator, which the caller seeds: same seed, machine and thread count, same
weights. float32 in channels_last: measured on 2 AVX-512 cores without AMX, MNIST network: 1.3 times as fast as
the default layout. bfloat16 autocast halved the speed of that network there and made ResNet-18 1.5 times as fast:
the recipe decides, because a probe at start would let the clock decide the weights.
"""

import math
from collections.abc import Generator
from copy import deepcopy
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name
from torch import Tensor, nn

from training.augmentation import mirrored, warped
from training.datasets.dataset import Examples
from training.errors import DivergedError
from training.evaluation import accuracy, cross_entropy, torch_logits
from training.recipes import Recipe

WARM_UP_SHARE = 0.2


@dataclass(frozen=True)
class Step:
    """After one batch: the loss and share of right answers over this epoch so far."""

    epoch: int
    step: int
    steps_per_epoch: int
    loss: float
    accuracy: float


@dataclass(frozen=True)
class Epoch:
    """After one pass over the training part, measured on the validation part."""

    epoch: int
    loss: float
    validation_loss: float
    validation_accuracy: float


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Rises linearly over the first fifth of the steps, then falls to 0 along a cosine (one-cycle, Smith 2018)."""
    warm_up = max(1, round(steps * WARM_UP_SHARE))
    if step < warm_up:
        return peak * (step + 1) / warm_up
    return peak * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up))) / 2


def train(
    network: nn.Module, training: Examples, validation: Examples, recipe: Recipe
) -> Generator[Step | Epoch, None, None]:
    """Trains `network` in place; it ends with the weights of the epoch that was best on the validation part.

    Of equals the later one. Raises DivergedError as soon as the loss is not finite.
    """
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # absent from torch's stubs
    optimizer = torch.optim.AdamW(_parameter_groups(network, recipe.weight_decay), fused=True)
    best, best_weights = 0.0, deepcopy(network.state_dict())
    for epoch in range(1, recipe.epochs + 1):
        network.train()
        loss = yield from _epoch(network, optimizer, training, recipe, epoch)
        logits = torch_logits(network, validation.images)
        result = Epoch(epoch, loss, cross_entropy(logits, validation.labels), accuracy(logits, validation.labels))
        if result.validation_accuracy >= best:
            best, best_weights = result.validation_accuracy, deepcopy(network.state_dict())
        yield result
    network.load_state_dict(best_weights)
    network.eval()


def _epoch(
    network: nn.Module, optimizer: torch.optim.Optimizer, training: Examples, recipe: Recipe, epoch: int
) -> Generator[Step, None, float]:
    """One pass in random order; returns its mean loss."""
    batches = torch.split(torch.randperm(len(training)), recipe.batch_size)
    loss_sum, right, seen = 0.0, 0, 0
    for step, batch in enumerate(batches):
        done = (epoch - 1) * len(batches) + step
        rate = learning_rate(done, recipe.epochs * len(batches), recipe.max_learning_rate)
        labels = training.labels[batch]
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss, logits = _update(network, optimizer, training.images[batch], labels, recipe)
        if not math.isfinite(loss):
            raise DivergedError(loss, epoch, step + 1, rate)
        seen += len(batch)
        loss_sum += loss * len(batch)
        right += int((logits.argmax(1) == labels).sum())
        yield Step(epoch, step + 1, len(batches), loss_sum / seen, right / seen)
    return loss_sum / seen


def _update(
    network: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, labels: Tensor, recipe: Recipe
) -> tuple[float, Tensor]:
    images = mirrored(images, recipe.mirrored_share)
    pixels = warped(images, recipe.rotation_degrees, recipe.scale_share, recipe.shift_pixels)
    with torch.autocast("cpu", torch.bfloat16, enabled=recipe.bfloat16):
        logits = network(pixels).float()
    loss = F.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call] # torch's own
    optimizer.step()
    return loss.item(), logits.detach()


def _parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Decay pulls on kernels and matrices only; biases and normalisation have one axis and stay free."""
    parameters = list(network.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
