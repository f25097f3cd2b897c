"""Class scores to probabilities: the one calibrated softmax, for serving and for looking inside. Pure."""

import numpy as np

from service.arrays import Probabilities, Scores
from service.engine.network_interface import Activation


def probabilities(scores: Scores, activation: Activation | None, temperature: float) -> Probabilities:
    """Each row as probabilities in 0..1; a softmax row sums to 1.

    `activation` is what the scores already went through: then they stay as they are, and so they do not depend on
    `temperature`, by which logits are divided.
    """
    return scores if activation is not None else softmax(scores / np.float32(temperature))


def softmax(logits: Scores) -> Probabilities:
    # exp overflows float32 above 88; the softmax does not change when a row is shifted.
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: Probabilities = powers / powers.sum(axis=1, keepdims=True)
    return found
