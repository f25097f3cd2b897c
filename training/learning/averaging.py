"""The exponential moving average of a network's weights: of the same run a calmer network. Knows no loop."""

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def averaged(network: nn.Module, decay: float) -> AveragedModel:
    """A copy whose `update_parameters` moves it towards the network; normalisation's statistics move with it.

    The decay rises to its value as (1 + n) / (10 + n) after n steps, so that the random start is forgotten soon
    (TensorFlow's ExponentialMovingAverage).
    """

    def moved(average: Tensor, current: Tensor, updates: Tensor | int) -> Tensor:
        if not average.is_floating_point():  # BatchNorm counts its batches
            return current
        count = int(updates)
        return average.lerp(current, 1 - min(decay, (1 + count) / (10 + count)))

    return AveragedModel(network, avg_fn=moved, use_buffers=True)
