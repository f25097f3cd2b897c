"""How good answers are: accuracy, loss, and the temperature that makes probabilities honest. Knows no file format."""

import math

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name
from torch import nn

from training.tensors import Images, Labels, Logits

BATCH = 500


def torch_logits(network: nn.Module, images: Images) -> Logits:
    """The network's answers to all images, in evaluation mode, in batches of 500, where the images are."""
    network.eval()
    device = next(network.parameters()).device
    with torch.inference_mode():
        return torch.cat([network(batch.to(device)).to(images.device) for batch in torch.split(images, BATCH)])


def accuracy(logits: Logits, labels: Labels) -> float:
    """The share of images whose highest logit is their label's, 0..1."""
    return float((logits.argmax(1) == labels).double().mean())


def cross_entropy(logits: Logits, labels: Labels, temperature: float = 1.0) -> float:
    """Mean of -log softmax(logits / temperature) at the label, in nats."""
    return float(F.cross_entropy(logits.double() / temperature, labels))


def fitted_temperature(logits: Logits, labels: Labels) -> float:
    """The temperature at which the probabilities fit the labels best (Guo et al. 2017), within 0.05..20.

    Labels count as n/(n+1) certain (after Platt 1999): where every answer is right, the best fit to bare labels would
    be temperature 0. The loss is convex in 1/temperature, so its slope has one root, found by bisection.
    """
    certainty = len(labels) / (len(labels) + 1)
    targets = F.one_hot(labels, logits.shape[1]) * certainty + (1 - certainty) / logits.shape[1]
    scores = logits.double()
    low, high = math.log(0.05), math.log(20)
    for _ in range(40):
        middle = (low + high) / 2
        expected = F.softmax(scores / math.exp(middle), 1)
        too_sure = ((expected - targets) * scores).sum() > 0
        low, high = (middle, high) if too_sure else (low, middle)
    return round(math.exp((low + high) / 2), 4)
