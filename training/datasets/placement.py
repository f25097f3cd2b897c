"""Where the images of a training run lie: on the device that trains, when they fit there, else in the host's memory."""

from collections.abc import Callable

import torch

from training.datasets.dataset import Examples
from training.datasets.memory import available_bytes

Measure = Callable[[torch.device], int]


def free_bytes(device: torch.device) -> int:
    """Memory that nobody has taken: of a CUDA device its own, of any other the machine's, which it shares."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else available_bytes()


def placed(examples: Examples, device: torch.device, free: Measure = free_bytes) -> Examples:
    """On the device, where the images take at most half of its free memory; else as they are.

    The other half is for the network and what it computes. `examples.images.device` says which of the two it became.
    """
    if examples.images.device == device or device.type == "cpu":
        return examples
    if examples.images.nbytes > free(device) // 2:
        return examples
    return Examples(examples.images.to(device), examples.labels.to(device))


def placement(examples: Examples) -> str:
    """One phrase for a person: how many images, how large, where."""
    device = examples.images.device
    where = "host memory" if device.type == "cpu" else str(device)
    return f"{len(examples):,} images, {examples.images.nbytes / 1e6:,.1f} MB in {where}"
