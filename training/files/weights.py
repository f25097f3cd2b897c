"""The way back: from an exported file to PyTorch. Trains nothing."""

from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from training.errors import UnusableFileError
from training.networks import NETWORKS
from training.recipes import recipe_named


def network_for(recipe_name: str) -> nn.Module:
    """The network that a recipe trains, in evaluation mode, with random weights. Raises UnknownRecipeError."""
    return NETWORKS[recipe_named(recipe_name).network].published().eval()


def load_weights(file: Path) -> dict[str, Tensor]:
    """The weights and buffers of an exported file under their `state_dict` names.

    Only BatchNorm's `num_batches_tracked` is missing, which an answer does not need: load with strict=False.
    Raises UnusableFileError for a file in 8 bits: its normalisations are folded and its kernels rounded.
    """
    graph = onnx.load(file).graph
    if any(node.op_type == "QuantizeLinear" for node in graph.node):
        raise UnusableFileError(file, "its weights are in 8 bits", "give the version that it was made from")
    return {tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for tensor in graph.initializer}
