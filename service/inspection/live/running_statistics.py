"""What a layer held over any number of images, in an amount of memory that does not grow with them. Pure.

What is known of some images and of others is merged into what is known of all (T. Chan, G. Golub, R. LeVeque,
"Updating formulae and a pairwise algorithm for computing sample variances", 1979). No value of an image is kept.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import reduce
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from service.engine.layer_report import LayerReport
from service.errors import InvalidParameterError

PerChannel = Float64[np.ndarray, " channels"]


@dataclass(frozen=True, eq=False)
class Moments:
    """How many numbers there were, their mean, and the sum of their squared deviations from it.

    Arrays of one number per channel, or without axes.
    """

    count: np.ndarray
    mean: np.ndarray
    deviations: np.ndarray

    @property
    def std(self) -> np.ndarray:
        """Of the population, not of the sample; 0 where there were no numbers."""
        return np.asarray(np.sqrt(self.deviations / np.maximum(self.count, 1)))


@dataclass(frozen=True, eq=False)
class Activations:
    """One layer over `images` images. Figures are over finite values; `min` > `max` where there was none.

    `channels` are of the channels' means per image, of images in which all its values were finite. `active` is True
    for a channel with any value but 0. `bins` counts those means in the bins of the training report, if there is one.
    Channels are axis 1 of [batch, channels, height, width] and [batch, channels]; another tensor counts as 1 channel.
    """

    images: int
    not_finite: int
    zeros: int
    min: float
    max: float
    values: Moments
    channels: Moments
    active: Bool[np.ndarray, " channels"]
    bins: Int64[np.ndarray, " bins"]

    @property
    def dead_channels(self) -> tuple[int, ...]:
        """Those that were 0 everywhere in every image."""
        return tuple(np.flatnonzero(~self.active).tolist())


@np.errstate(over="ignore", invalid="ignore")
def activations(values: np.ndarray, report: LayerReport | None = None) -> Activations:
    """Of one image. 16x28x28 float32 takes 0.2 ms."""
    if values.dtype.kind not in "fiub":
        raise InvalidParameterError("layer", str(values.dtype), "it holds no numbers")
    rows = _rows(values.astype(np.float64))
    finite = np.isfinite(rows)
    numbers = rows.ravel() if finite.all() else rows[finite]
    count = finite.sum(axis=1)
    means = rows.sum(axis=1, where=finite) / np.maximum(count, 1)
    whole = (count == rows.shape[1]) & (count > 0)
    channels = Moments(whole.astype(np.int64), np.where(whole, means, 0.0), np.zeros(len(rows)))
    return Activations(
        images=1,
        not_finite=rows.size - numbers.size,
        zeros=int(numbers.size - np.count_nonzero(numbers)),
        min=float(numbers.min(initial=np.inf)),
        max=float(numbers.max(initial=-np.inf)),
        values=_moments(numbers),
        channels=channels,
        active=np.asarray(rows.any(axis=1)),
        bins=np.zeros(0, np.int64) if report is None else population(channels.mean[None], whole[None], report),
    )


def population(means: np.ndarray, counted: np.ndarray, report: LayerReport) -> Int64[np.ndarray, " bins"]:
    """How many of the channels' means [images, channels] lie in each bin of `report`, where they are `counted`."""
    bins = np.searchsorted(report.edges, standardised(means, counted, report))
    return np.bincount(bins, minlength=len(report.counts)).astype(np.int64)


def standardised(means: np.ndarray, counted: np.ndarray, report: LayerReport) -> Float64[np.ndarray, " means"]:
    """The channels' means [images, channels] that are `counted`, by the mean and deviation that training had there.

    A channel that was constant in training cannot be standardised, another number of channels cannot be compared.
    """
    mean, std = np.array(report.channel_means), np.array(report.channel_stds)
    if means.shape[1] != len(mean):
        return np.zeros(0)
    standard = (means - mean) / np.where(std > 0, std, 1)
    return np.asarray(standard[counted & (std > 0)])


def merged(one: Activations, other: Activations) -> Activations:
    """Both together. Where the number of channels or bins changes from image to image, nothing is said of them."""
    same_channels = len(one.active) == len(other.active)
    first, second = (one, other) if same_channels else (_without_channels(one), _without_channels(other))
    return Activations(
        images=one.images + other.images,
        not_finite=one.not_finite + other.not_finite,
        zeros=one.zeros + other.zeros,
        min=min(one.min, other.min),
        max=max(one.max, other.max),
        values=_together(one.values, other.values),
        channels=_together(first.channels, second.channels),
        active=first.active | second.active,
        bins=one.bins + other.bins if len(one.bins) == len(other.bins) else np.zeros(0, np.int64),
    )


def merged_layers(several: Iterable[Mapping[str, Activations]]) -> dict[str, Activations]:
    """By layer, in the order in which they first come."""
    found: dict[str, list[Activations]] = {}
    for layers in several:
        for layer_id, seen in layers.items():
            found.setdefault(layer_id, []).append(seen)
    return {layer_id: reduce(merged, seen) for layer_id, seen in found.items()}


def packed(seen: Activations) -> dict[str, Any]:
    """As values that JSON has; infinity, where nothing was finite, as null."""
    plain = {field.name: getattr(seen, field.name) for field in fields(seen)}
    for name in ("values", "channels"):
        plain[name] = {field.name: getattr(plain[name], field.name).tolist() for field in fields(Moments)}
    ends = {name: plain[name] if np.isfinite(plain[name]) else None for name in ("min", "max")}
    return plain | ends | {"active": seen.active.tolist(), "bins": seen.bins.tolist()}


def unpacked(plain: Mapping[str, Any]) -> Activations:
    """What `packed` made, as it was."""
    arrays = {name: Moments(**{key: np.asarray(part) for key, part in plain[name].items()}) for name in _MOMENTS}
    ends = {
        "min": np.inf if plain["min"] is None else plain["min"],
        "max": -np.inf if plain["max"] is None else plain["max"],
        "active": np.array(plain["active"], bool),
        "bins": np.array(plain["bins"], np.int64),
    }
    return Activations(**{**plain, **arrays, **ends})


_MOMENTS = ("values", "channels")


def _rows(numbers: np.ndarray) -> np.ndarray:
    """[channels, all that a channel holds]."""
    if numbers.ndim not in (2, 4):
        return numbers.reshape(1, -1)
    return np.moveaxis(numbers, 1, 0).reshape(numbers.shape[1], -1 if numbers.size else 0)


def _moments(numbers: np.ndarray) -> Moments:
    mean = numbers.mean() if numbers.size else np.float64(0)
    return Moments(np.array(numbers.size), np.array(mean), np.array(np.square(numbers - mean).sum()))


def _together(one: Moments, other: Moments) -> Moments:
    count = one.count + other.count
    share = other.count / np.maximum(count, 1)
    distance = other.mean - one.mean
    # With none on one side, its mean (0) must not move the other's.
    mean = np.where(one.count == 0, other.mean, one.mean + distance * share)
    between = np.square(distance) * one.count * share
    parts = (count, mean, one.deviations + other.deviations + between)
    return Moments(*map(np.asarray, parts))  # arithmetic of arrays without axes gives scalars


def _without_channels(seen: Activations) -> Activations:
    none = np.zeros(0)
    empty = Moments(np.zeros(0, np.int64), none, none)
    return Activations(**{**vars(seen), "channels": empty, "active": none.astype(bool)})
