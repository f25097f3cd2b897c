"""What a network is trained on in one step: the pixels and targets of a batch, or of one process's part of it."""

import torch
from jaxtyping import Int64
from torch import Tensor

from training.augmentation.applied import Fill, augmented
from training.augmentation.draws import drawn
from training.augmentation.mixing import mixed, mixed_targets, targets
from training.datasets.dataset import Examples
from training.recipes.recipe import Recipe
from training.tensors import Pixels, SoftLabels

Indices = Int64[Tensor, " images"]


def pixels_and_targets(
    examples: Examples,
    batch: Int64[Tensor, " batch"],
    recipe: Recipe,
    *,
    epoch: int,
    generator: torch.Generator,
    classes: int,
    fill: Fill,
    rank: int = 0,
    world: int = 1,
) -> tuple[Pixels, SoftLabels]:
    """The examples at `batch`, changed as the recipe says; the loss is `F.cross_entropy(logits, targets)`.

    `batch` and `generator` are on the CPU and the same in all `world` processes; this one gets every `world`-th
    example from `rank`, changed exactly as one process alone would have changed it. A partner to mix with may belong
    to another process: it is made here once more, so mixing doubles the cost of the changes.
    """
    size = examples.images.shape[1], examples.images.shape[2]
    draws = drawn(recipe, len(batch), size, generator, indices=batch, epoch=epoch)
    mine = torch.arange(len(batch))[rank::world]

    def changed(places: Indices) -> tuple[Pixels, SoftLabels]:
        chosen = batch[places].to(examples.images.device)
        pixels = augmented(examples.images[chosen], draws.at(places).to(chosen.device), fill)
        return pixels, targets(examples.labels[chosen], classes, recipe.label_smoothing)

    pixels, soft = changed(mine)
    if draws.partner is None or draws.share is None:
        return pixels, soft
    partner_pixels, partner_soft = changed(draws.partner[mine])
    share = draws.share[mine].to(pixels.device)
    return mixed(pixels, partner_pixels, share), mixed_targets(soft, partner_soft, share)
