"""How far traffic has moved from what training saw, layer by layer. Pure; knows no model and no request.

The measure is the population stability index of credit scoring: the sum over bins of (p - q) ln(p / q), where p and q
are the shares of the live and the training population; below 0.1 is read as no shift, above 0.25 as a significant one
(N. Siddiqi, "Credit Risk Scorecards", 2006). It is the symmetric (Jeffreys) form of the Kullback-Leibler divergence.
"""

from math import ceil

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from service.engine.layer_report import LayerReport, TrainingReport
from service.inspection.activations import Activations

SIGNIFICANT_PSI = 0.25
SHIFTED_CHANNEL = 0.5  # standard deviations: Cohen's medium effect
# Without any shift, PSI / (1/N + 1/M) of N live and M training images is chi-squared distributed with bins - 1 degrees
# of freedom (B. Yurdakul, J. Naranjo, "Statistical properties of the population stability index", 2020). With 10 bins
# and this much, 0.25 is passed by chance 4 times in a million. The channels of an image only make it rarer.
_CERTAIN = 0.006
# So that an empty bin has a logarithm.
_HALF_AN_IMAGE = 0.5


class Drift(BaseModel):
    """One layer against the training report of the model file. Null where there is nothing to divide by."""

    model_config = ConfigDict(frozen=True)

    drifted: bool | None = Field(description=f"psi above {SIGNIFICANT_PSI}; null while the images are too few to tell")
    psi: float | None = Field(
        description="population stability index of the channels' means per image, standardised as in training"
    )
    mean_shift: float | None = Field(description="(mean - training mean) / training standard deviation, of all values")
    std_ratio: float | None = Field(description="standard deviation / training standard deviation, of all values")
    below_range: float | None = Field(description="how far min lies below training's, as a share of training's range")
    above_range: float | None = Field(description="how far max lies above training's, as a share of training's range")
    newly_dead: tuple[int, ...] = Field(description="channels that are 0 in all images, and were not in training")
    newly_alive: tuple[int, ...] = Field(description="channels that were 0 in all of training's images, and are not")
    shifted_channels: tuple[int, ...] = Field(
        description=f"channels whose mean moved by over {SHIFTED_CHANNEL} standard deviations of training's images"
    )


def images_needed(report: TrainingReport) -> int | None:
    """From how many live images on a verdict is not chance; None where the report itself is of too few (166)."""
    left = _CERTAIN - 1 / report.images
    return ceil(1 / left) if left > 1e-9 else None


def drift(seen: Activations, report: LayerReport, *, enough: bool) -> Drift:
    """`enough`: as many images as `images_needed` says."""
    psi = stability_index(seen.bins, np.array(report.counts)) if len(seen.bins) else None
    extent = report.max - report.min
    known = seen.values.count > 0
    same_channels = len(seen.active) == len(report.channel_means)
    was_dead, is_dead = set(report.dead_channels), set(seen.dead_channels)
    return Drift(
        drifted=psi > SIGNIFICANT_PSI if enough and psi is not None else None,
        psi=psi,
        mean_shift=_ratio(float(seen.values.mean) - report.mean, report.std) if known else None,
        std_ratio=_ratio(float(seen.values.std), report.std) if known else None,
        below_range=_ratio(max(report.min - seen.min, 0.0), extent) if known else None,
        above_range=_ratio(max(seen.max - report.max, 0.0), extent) if known else None,
        newly_dead=tuple(sorted(is_dead - was_dead)) if same_channels else (),
        newly_alive=tuple(sorted(was_dead - is_dead)) if same_channels else (),
        shifted_channels=_shifted(seen, report) if same_channels else (),
    )


def stability_index(live: np.ndarray, training: np.ndarray) -> float | None:
    """The PSI of two histograms over the same bins; None where one is empty. An empty bin counts half an image."""
    if not live.sum() or not training.sum():
        return None
    p, q = _shares(live), _shares(training)
    return float(((p - q) * np.log(p / q)).sum())


def _shares(counts: np.ndarray) -> np.ndarray:
    return (counts + _HALF_AN_IMAGE) / (counts.sum() + _HALF_AN_IMAGE * len(counts))


def _shifted(seen: Activations, report: LayerReport) -> tuple[int, ...]:
    """A channel that was constant in training has no deviation to measure by."""
    mean, std = np.array(report.channel_means), np.array(report.channel_stds)
    moved = np.abs(seen.channels.mean - mean) > SHIFTED_CHANNEL * std
    return tuple(np.flatnonzero(moved & (std > 0) & (seen.channels.count > 0)).tolist())


def _ratio(value: float, unit: float) -> float | None:
    return value / unit if unit > 0 else None
