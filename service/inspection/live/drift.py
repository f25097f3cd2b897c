"""How far traffic has moved from what training saw, layer by layer. Pure; knows no model and no request.

The measure is the population stability index of credit scoring: the sum over bins of (p - q) ln(p / q), where p and q
are the shares of the live and the training population; below 0.1 is read as no shift, above 0.25 as a significant one
(N. Siddiqi, "Credit Risk Scorecards", 2006). It is the symmetric (Jeffreys) form of the Kullback-Leibler divergence.

One population per layer, of all its channels, keeps the report small; but channels that move against each other leave
it nearly as it was (noise of 10 % on MNIST moved 57 of 96 channels of the last pooling: 0.19). So the median channel's
standardised mean difference counts too.
"""

from math import ceil

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from service.engine.layer_report import LayerReport, TrainingReport
from service.inspection.live.running_statistics import Activations

SIGNIFICANT_PSI = 0.25
# Standard deviations, Cohen's medium effect: a normal distribution moved that far has a stability index of 0.25.
SHIFTED_CHANNEL = 0.5
# Without any shift, PSI / (1/N + 1/M) of N live and M training images is chi-squared distributed with bins - 1 degrees
# of freedom (B. Yurdakul, J. Naranjo, "Statistical properties of the population stability index", 2020). With 10 bins
# and this much, 0.25 is passed by chance 4 times in a million. The channels of an image only make it rarer.
_CERTAIN = 0.006
# So that an empty bin has a logarithm.
_HALF_A_COUNT = 0.5


class Drift(BaseModel):
    """One layer against the training report of the model file. Null where there is nothing to divide by."""

    model_config = ConfigDict(frozen=True)

    drifted: bool | None = Field(
        description=f"psi above {SIGNIFICANT_PSI} or channel_shift above {SHIFTED_CHANNEL}; null for too few images"
    )
    psi: float | None = Field(
        description="population stability index of the channels' means per image, standardised as in training"
    )
    channel_shift: float | None = Field(
        description="|mean - training mean| / training standard deviation of a channel's means; the median channel's"
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
    shifts = _shifts(seen, report)
    shift = float(np.nanmedian(shifts)) if np.isfinite(shifts).any() else None
    known = [
        measure > limit for measure, limit in ((psi, SIGNIFICANT_PSI), (shift, SHIFTED_CHANNEL)) if measure is not None
    ]
    return Drift(
        drifted=any(known) if enough and known else None,
        psi=psi,
        channel_shift=shift,
        shifted_channels=tuple(np.flatnonzero(shifts > SHIFTED_CHANNEL).tolist()),
        **_of_values(seen, report),
        **_of_dead_channels(seen, report),
    )


def stability_index(live: np.ndarray, training: np.ndarray) -> float | None:
    """The PSI of two histograms over the same bins; None where one is empty. An empty bin counts a half."""
    if not live.sum() or not training.sum():
        return None
    p, q = _shares(live), _shares(training)
    return float(((p - q) * np.log(p / q)).sum())


def _shares(counts: np.ndarray) -> np.ndarray:
    return np.asarray((counts + _HALF_A_COUNT) / (counts.sum() + _HALF_A_COUNT * len(counts)))


def _shifts(seen: Activations, report: LayerReport) -> np.ndarray:
    """Each channel's; NaN for one that was constant in training: it has no deviation to measure by."""
    mean, std = np.array(report.channel_means), np.array(report.channel_stds)
    if len(seen.active) != len(mean):
        return np.zeros(0)
    known = (std > 0) & (seen.channels.count > 0)
    return np.where(known, np.abs(seen.channels.mean - mean) / np.where(std > 0, std, 1), np.nan)


def _of_values(seen: Activations, report: LayerReport) -> dict[str, float | None]:
    if not seen.values.count:
        return dict.fromkeys(("mean_shift", "std_ratio", "below_range", "above_range"))
    extent = report.max - report.min
    return {
        "mean_shift": _ratio(float(seen.values.mean) - report.mean, report.std),
        "std_ratio": _ratio(float(seen.values.std), report.std),
        "below_range": _ratio(max(report.min - seen.min, 0.0), extent),
        "above_range": _ratio(max(seen.max - report.max, 0.0), extent),
    }


def _of_dead_channels(seen: Activations, report: LayerReport) -> dict[str, tuple[int, ...]]:
    was, now = set(report.dead_channels), set(seen.dead_channels)
    if len(seen.active) != len(report.channel_means):
        was = now = set()
    return {"newly_dead": tuple(sorted(now - was)), "newly_alive": tuple(sorted(was - now))}


def _ratio(value: float, unit: float) -> float | None:
    return value / unit if unit > 0 else None
