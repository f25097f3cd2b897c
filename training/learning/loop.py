"""The training loop: examples and a recipe in, weights out, an event after every batch. Shows and writes nothing.

Order and augmentation come from the state's own generator, dropout from torch's: same seed, machine, thread count and
number of processes, same weights. A run stopped at any event and taken up again from its state goes on to the same
bits on a CPU.

float32 in channels_last: measured on 2 AVX-512 cores without AMX, MNIST network: 1.3 times as fast as the default
layout. bfloat16 autocast halved the speed of that network there and doubled that of wider ones: the recipe decides,
because a probe at start would let the clock decide the weights.
"""

import math
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name
from torch import Tensor

from service.engine.training_history import EpochRecord
from training.augmentation import pixels_and_targets
from training.datasets.balance import balanced_order, class_weights
from training.datasets.dataset import Examples
from training.errors import DivergedError
from training.evaluation import accuracy, cross_entropy, torch_logits
from training.learning.events import Epoch, Step
from training.learning.group import Group, from_first, summed, together
from training.learning.optimizers import set_rate
from training.learning.schedules import rate_share
from training.learning.state import Place, State, weights_of
from training.recipes import Recipe

FILL_IMAGES = 10_000  # whose mean an erased square gets
STEPS_BETWEEN_READINGS = 10  # on a GPU, where reading a loss waits until it is computed


@dataclass(frozen=True)
class Run:
    """What does not change from the first step to the last. `model` is the state's network, wrapped."""

    recipe: Recipe
    training: Examples
    validation: Examples
    group: Group
    model: Callable[[Tensor], Tensor]
    loss_weights: Tensor | None
    fill: Tensor
    classes: int


def train(
    state: State, training: Examples, validation: Examples, classes: int, recipe: Recipe, group: Group
) -> Generator[Step | Epoch, None, None]:
    """Goes on from `state`; ends with the weights of the epoch to keep in `state.network`, in evaluation mode.

    The best epoch on the validation part is kept, of equals the later one; or the last, as the recipe says. Raises
    DivergedError as soon as it sees a loss that is not finite; the state then still has what was kept.
    """
    run = _run(state, training, validation, classes, recipe, group)
    while state.place.epoch <= recipe.epochs and not _patience_is_over(state, recipe):
        yield from _epoch(run, state)
        yield _finished(run, state)
    state.network.load_state_dict(state.kept)
    state.network.eval()


def _run(state: State, training: Examples, validation: Examples, classes: int, recipe: Recipe, group: Group) -> Run:
    model = together(state.network, group)
    weights = class_weights(training.labels, classes).to(group.device) if recipe.balance == "loss" else None
    return Run(
        recipe=recipe,
        training=training,
        validation=validation,
        group=group,
        model=torch.compile(model) if recipe.compiled else model,
        loss_weights=weights,
        fill=training.images[:FILL_IMAGES].float().mean((0, 1, 2)),
        classes=classes,
    )


def _epoch(run: Run, state: State) -> Generator[Step, None, None]:
    """The batches of one pass that are left to do."""
    state.network.train()
    place = state.place
    if place.order is None:
        place.order = _order(run, state.draws)
    batches = batches_of(place.order, run.recipe.batch_size, run.group.world)
    for index in range(place.step, len(batches)):
        began = time.perf_counter()
        done = (place.epoch - 1) * len(batches) + index
        share = rate_share(run.recipe.schedule, done, run.recipe.epochs * len(batches))
        rate = set_rate(state.optimizers, share)
        place.sums = place.sums.to(run.group.device) + _update(run, state, batches[index])
        place.step = index + 1
        event = _step(place, len(batches), rate) if _is_read(run, place.step, len(batches)) else None
        state.seconds += time.perf_counter() - began
        if event is not None:
            yield event


def _order(run: Run, draws: torch.Generator) -> Tensor:
    if run.recipe.balance == "sampling":
        return balanced_order(run.training.labels.cpu(), draws)
    return torch.randperm(len(run.training), generator=draws)


def batches_of(order: Tensor, size: int, world: int) -> list[Tensor]:
    """Parts of at most `size` images; what is left over joins the last where it is too small for every process.

    A normalisation over a single image of 1x1 has no deviation: each process gets at least two images.
    """
    batches = list(torch.split(order, size))
    if len(batches) > 1 and len(batches[-1]) < 2 * world:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def _update(run: Run, state: State, images: Tensor) -> Tensor:
    """One step; returns the sums of loss and right answers and the count over this process's images."""
    device = run.group.device
    pixels, targets = pixels_and_targets(
        run.training,
        images,
        run.recipe,
        epoch=state.place.epoch,
        generator=state.draws,
        classes=run.classes,
        fill=run.fill,
        rank=run.group.rank,
        world=run.group.world,
    )
    targets = targets.to(device)
    with torch.autocast(device.type, torch.bfloat16, enabled=run.recipe.bfloat16):
        logits = run.model(pixels.to(device)).float()
    loss = F.cross_entropy(logits, targets, run.loss_weights, reduction="sum")
    for optimizer in state.optimizers:
        optimizer.zero_grad()
    # Over the whole batch a mean: the processes' gradients are averaged, and their parts may differ by one image.
    (loss * run.group.world / len(images)).backward()  # type: ignore[no-untyped-call] # torch's own
    for optimizer in state.optimizers:
        optimizer.step()
    if state.average is not None:
        state.average.update_parameters(state.network)
    right = (logits.detach().argmax(1) == targets.argmax(1)).sum()
    return torch.stack([loss.detach(), right, torch.full_like(right, len(logits))])


def _is_read(run: Run, step: int, steps: int) -> bool:
    return run.group.device.type == "cpu" or step % STEPS_BETWEEN_READINGS == 0 or step == steps


def _step(place: Place, steps: int, rate: float) -> Step:
    loss, right, seen = place.sums.tolist()
    if not math.isfinite(loss):
        raise DivergedError(loss, place.epoch, place.step, rate)
    return Step(place.epoch, place.step, steps, loss / seen, right / seen)


def _finished(run: Run, state: State) -> Epoch:
    """Measures the epoch, decides whether to keep its weights, and opens the next one."""
    loss, right, seen = summed(state.place.sums.to(run.group.device), run.group).tolist()
    found = from_first(_validation(run, state) if run.group.first else None, run.group)
    if found is None:
        raise RuntimeError("the first process measured nothing")
    record = EpochRecord(
        epoch=state.place.epoch,
        seconds=state.seconds,
        learning_rate=float(state.optimizers[0].param_groups[0]["lr"]),
        loss=loss / seen,
        accuracy=right / seen,
        validation_loss=found[0],
        validation_accuracy=found[1],
    )
    kept = run.recipe.keep == "last" or record.validation_accuracy >= _best(state)
    state.records.append(record)
    if kept:
        state.kept_epoch, state.kept = record.epoch, weights_of(state.measured)
    state.place = Place(epoch=record.epoch + 1)
    last = state.place.epoch > run.recipe.epochs or _patience_is_over(state, run.recipe)
    return Epoch(record, kept=kept, last=last)


def _validation(run: Run, state: State) -> tuple[float, float]:
    logits = torch_logits(state.measured, run.validation.images)
    loss = cross_entropy(logits, run.validation.labels)
    if not math.isfinite(loss):
        raise DivergedError(loss, state.place.epoch, state.place.step, state.optimizers[0].param_groups[0]["lr"])
    return loss, accuracy(logits, run.validation.labels)


def _best(state: State) -> float:
    return max((record.validation_accuracy for record in state.records), default=0.0)


def _patience_is_over(state: State, recipe: Recipe) -> bool:
    return 0 < recipe.patience <= _epochs_since_better(state.records)


def _epochs_since_better(records: Sequence[EpochRecord]) -> int:
    """How many epochs came after the first of those that are best on the validation part."""
    accuracies = [record.validation_accuracy for record in records]
    return len(accuracies) - 1 - accuracies.index(max(accuracies)) if accuracies else 0
