"""What a network learnt before, as the beginning of another: its weights by name, but for those that do not fit."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from google.protobuf.message import DecodeError
from torch import Tensor, nn

# The base of BatchNorm1d, 2d, 3d and SyncBatchNorm, which is what several GPUs make of them; torch exports no other.
from torch.nn.modules.batchnorm import _BatchNorm

from training.errors import UnfitBackboneError, UnusableFileError
from training.files.weights import load_weights

PARALLEL = "module."  # what DataParallel and DistributedDataParallel put before every name
COUNTER = "num_batches_tracked"  # of BatchNorm; no answer depends on it, and exported files lack it


def backbone_weights(source: Path) -> dict[str, Tensor]:
    """Weights and buffers by their `state_dict` names, on the CPU: of an exported model (.onnx), else of a .pt file.

    Of a run's checkpoint these are the weights kept so far. Raises UnusableFileError, OSError.
    """
    if source.suffix == ".onnx":
        return _of_model(source)
    weights = _of_checkpoint(source)
    if all(name.startswith(PARALLEL) for name in weights):
        return {name.removeprefix(PARALLEL): weight for name, weight in weights.items()}
    return weights


def with_backbone(network: nn.Module, weights: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Copies into `network` what fits it by name and shape, and returns the names of what keeps its initial value.

    The mean and deviation of the pixels are copied too: the network sees pixels as the backbone did. Raises
    UnfitBackboneError, and changes nothing, where nothing but these fits.
    """
    own = {name: value for name, value in network.state_dict().items() if not name.endswith(COUNTER)}
    fitting = {name for name, value in own.items() if name in weights and weights[name].shape == value.shape}
    if not any(not name.startswith("normalize.") for name in fitting):
        raise _unfit(own, weights)
    for name in fitting:
        own[name].copy_(weights[name])
    return tuple(name for name in own if name not in fitting)


def head(network: nn.Module) -> tuple[str, ...]:
    """The names of the parameters of the last layer that has any."""
    last = [name for name, module in network.named_modules() if list(module.parameters(recurse=False))][-1]
    return tuple(name for name, _ in network.named_parameters() if name.rpartition(".")[0] == last)


def freeze(network: nn.Module) -> None:
    """Only the head goes on learning, and the batch normalisations keep their statistics, also in training mode.

    The loop puts the whole network into training mode, so what says otherwise stands before every pass. It hangs on
    the network and looks its layers up: copies have it too, and so do the layers that several GPUs put in their place.
    """
    learning = head(network)
    for name, parameter in network.named_parameters():
        if name not in learning:
            parameter.requires_grad = False
    network.register_forward_pre_hook(_with_still_normalizations)


def _with_still_normalizations(network: nn.Module, _inputs: object) -> None:
    for module in network.modules():
        if isinstance(module, _BatchNorm) and module.training:
            module.eval()


def _of_model(source: Path) -> dict[str, Tensor]:
    try:
        return load_weights(source)
    except DecodeError as error:
        raise UnusableFileError(source, "it is no ONNX file or is cut short", "copy or export it again") from error


def _of_checkpoint(source: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(source, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # torch, pickle and zipfile have no base in common
        raise UnusableFileError(source, f"PyTorch cannot read it ({type(error).__name__})", _REMEDY) from error
    found = _weights_in(content)
    if not found:
        raise UnusableFileError(source, "it holds no weights by name", _REMEDY)
    return found


_REMEDY = "give an exported model (.onnx), a run's checkpoint.pt, or what torch.save made of a state_dict"


def _weights_in(content: Any) -> dict[str, Tensor]:
    """The state_dict itself, or where checkpoints have it."""
    if not isinstance(content, dict):
        return {}
    for key in ("state_dict", "state", "kept"):
        if isinstance(content.get(key), dict):
            return _weights_in(content[key])
    return {name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, Tensor)}


def _unfit(own: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> UnfitBackboneError:
    """By the first layer that both have under one name, else by the first of each."""
    learnt = [name for name in own if not name.startswith("normalize.")]
    name = next((name for name in learnt if name in weights), learnt[0])
    return UnfitBackboneError(name, tuple(own[name].shape), tuple(weights[name].shape) if name in weights else None)
