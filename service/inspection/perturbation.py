"""What single channels of a layer are worth to a score, from what the score becomes when they are changed.

Pure: how the scores are computed is somebody else's. Variations are made a few at a time, by their numbers.
"""

from collections.abc import Sequence

import numpy as np

from service.arrays import ChannelWeights, LayerValues

# The score is rounded to 7 digits and its difference divided by the step: a smaller step leaves few of them. A larger
# one carries more units past the kink of a ReLU. Between 0.3 % and 3 % Grad-CAM's weights hardly change.
_STEP = 0.01
_NEAR_ZERO = 1e-6


def step(layer: LayerValues) -> float:
    """By how much channels are moved: one per cent of the root mean square of the layer's values."""
    size = float(np.sqrt(np.mean(np.square(layer, dtype=np.float64))))
    return _STEP * size if size > 0 else _STEP


def moved(layer: LayerValues, numbers: Sequence[int], by: float) -> LayerValues:
    """Variation 2k is the layer with all of channel k raised `by` so much, 2k + 1 with it lowered."""
    rows = np.repeat(layer, len(numbers), axis=0)
    for row, number in zip(rows, numbers, strict=True):
        row[number // 2] += -by if number % 2 else by
    return rows


def mean_gradients(scores: np.ndarray, by: float, units: int) -> ChannelWeights:
    """Grad-CAM's weights from the scores of all that `moved` makes: the mean over a channel's units of d score/d unit.

    Raising a whole channel adds up the derivatives by its units: the central difference over `units`.
    """
    pairs = scores.reshape(-1, 2).astype(np.float64)
    return (pairs[:, 0] - pairs[:, 1]) / (2 * by * units)


def silenced(layer: LayerValues, numbers: Sequence[int]) -> LayerValues:
    """Variation k is the layer with channel k at zero."""
    rows = np.repeat(layer, len(numbers), axis=0)
    for row, number in zip(rows, numbers, strict=True):
        row[number] = 0
    return rows


def score_drops(scores: np.ndarray, unchanged: float) -> ChannelWeights:
    """Ablation-CAM's weights from the scores of all variations `silenced` makes: (y - y_k) / |y|.

    With the magnitude of y, so that a channel whose loss lowers the score always weighs above zero.
    """
    return (unchanged - scores.astype(np.float64)) / max(abs(unchanged), _NEAR_ZERO)
