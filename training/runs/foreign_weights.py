"""Weights of a network that was trained elsewhere, for one of ours: by name, all of them, or an error that says which.

`training.runs.backbone` takes what fits; here nothing may be missing but what the data can give.
"""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from training.errors import UnfitWeightsError
from training.runs.backbone import COUNTER, backbone_weights

PIXELS = "normalize."


def foreign_weights(network: nn.Module, source: Path) -> tuple[dict[str, Tensor], bool]:
    """The `state_dict` of `network` with the values of the file, which may be any that `backbone_weights` reads.

    Second, whether the file says how its training normalised the pixels; where not, their mean and deviation stay the
    network's own. Raises UnfitWeightsError, UnusableFileError, OSError.
    """
    found = {name: value for name, value in backbone_weights(source).items() if not name.endswith(COUNTER)}
    own = dict(network.state_dict())
    wanted = {name: value for name, value in own.items() if not name.endswith(COUNTER)}
    _check(source, wanted, found)
    weights = own | {name: value.to(own[name].dtype) for name, value in found.items()}
    return weights, {name for name in wanted if name.startswith(PIXELS)} <= found.keys()


def _check(source: Path, wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    missing = [name for name in wanted if name not in found and not name.startswith(PIXELS)]
    unknown = [name for name in found if name not in wanted]
    differing = [name for name in wanted if name in found and wanted[name].shape != found[name].shape]
    shapes = [f"{name} is {tuple(found[name].shape)}, not {tuple(wanted[name].shape)}" for name in differing]
    for names, sentence in (
        (missing, "it lacks {} of the network's weights: {}"),
        (unknown, "{} of its weights are unknown to the network: {}"),
        (shapes, "{} of its weights have another shape: {}"),
    ):
        if names:
            raise UnfitWeightsError(source, sentence.format(len(names), ", ".join(names[:3])))
