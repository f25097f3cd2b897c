"""A short name for what is in a data set, so that a run that goes on can refuse to go on with other data."""

import hashlib
import json

import torch
from torch import Tensor

from training.datasets.dataset import Dataset


def fingerprint(dataset: Dataset) -> str:
    """SHA-256 in hex over the images and labels of every part and the names of the classes; the order counts.

    Neither descriptions nor notes count, nor where the images lie.
    """
    digest = hashlib.sha256(json.dumps(dataset.class_names).encode())
    for name in ("training", "test", "validation"):
        examples = getattr(dataset, name)
        if examples is not None:
            for values in (examples.images, examples.labels):
                digest.update(f"{name} {tuple(values.shape)} {values.dtype}".encode())
                digest.update(_bytes(values))
    return digest.hexdigest()


def _bytes(values: Tensor) -> memoryview:
    return values.cpu().contiguous().flatten().view(torch.uint8).numpy().data
