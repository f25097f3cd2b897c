"""What single channels of a layer are worth to a score, from what the score becomes when they are changed.

Pure: how the scores are computed is somebody else's. Variations are made a few at a time, each of one channel.
"""

from typing import NamedTuple

import numpy as np

from service.arrays import ChannelWeights, FeatureMaps, Variations

# Shares of the layer's root mean square. A difference of scores loses digits to rounding where the step is small, and
# carries units past the kink of a ReLU where it is large: what is best depends on the network and its precision.
STEPS = np.geomspace(1e-4, 1e-1, 6)
_PROBED_CHANNELS = 8
_CONFIRMED = 1e-3
_NEAR_ZERO = 1e-6


def size(maps: FeatureMaps) -> float:
    """The root mean square of all values; 1 where all are zero."""
    return float(np.sqrt(np.mean(np.square(maps, dtype=np.float64)))) or 1.0


def moved(maps: FeatureMaps, channels: np.ndarray, by: np.ndarray) -> Variations:
    """One variation for each of `channels`: with all of that channel raised by so much."""
    varied = np.repeat(maps[None], len(channels), axis=0)
    for variation, channel, distance in zip(varied, channels, by, strict=True):
        variation[channel] += distance
    return varied


def slopes(scores: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Central differences: `scores` are those of each channel raised by its step, then lowered by it, in turn."""
    pairs = scores.reshape(-1, 2).astype(np.float64)
    return np.asarray((pairs[:, 0] - pairs[:, 1]) / (2 * steps))


def probed(channels: int) -> np.ndarray:
    """The channels on which all of STEPS are tried: eight, evenly spaced."""
    return np.unique(np.linspace(0, channels - 1, _PROBED_CHANNELS).round().astype(int))


class Step(NamedTuple):
    """A step as a share, and by which share the slopes of the next larger one differ."""

    share: float
    change: float


def smallest_precise(tried: np.ndarray) -> Step:
    """The smallest step whose slopes the next one confirms to 0.1 %; where none does, to twice what the best does.

    `tried` is [STEPS, channels].
    """
    sizes = np.linalg.norm(tried[1:], axis=1)
    changes = np.linalg.norm(np.diff(tried, axis=0), axis=1) / np.where(sizes > 0, sizes, 1)
    best = int(np.argmax(changes <= max(_CONFIRMED, 2 * changes.min())))
    return Step(float(STEPS[best]), float(changes[best]))


def silenced(maps: FeatureMaps, channels: np.ndarray) -> Variations:
    """One variation for each of `channels`: with that channel at zero."""
    varied = np.repeat(maps[None], len(channels), axis=0)
    for variation, channel in zip(varied, channels, strict=True):
        variation[channel] = 0
    return varied


def score_drops(scores: np.ndarray, unchanged: float) -> ChannelWeights:
    """Ablation-CAM's weights from the score without each channel: (y - y_k) / |y|.

    With the magnitude of y, so that a channel whose loss lowers the score always weighs above zero.
    """
    return (unchanged - scores.astype(np.float64)) / max(abs(unchanged), _NEAR_ZERO)
