"""Values to colours: which colour map shows them, which values stand at its ends, and the palette both come from.

Knows no layout, no file and no model.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float64, UInt8

from service.arrays import FeatureMaps, SomeMaps
from service.errors import InvalidParameterError

Mode = Literal["layer", "channel", "shared", "fixed"]
Colormap = Literal["diverging", "sequential"]
PaletteIndices = UInt8[np.ndarray, "_ _ _"]
Bounds = Float64[np.ndarray, "_ 1 1"]

GUTTER, NOT_A_NUMBER, _HATCH_LIGHT, _HATCH_DARK = range(4)
_FIRST_LEVEL = 4
_LEVELS = 251  # odd, so that one level is exactly the middle: white is zero and nothing else
_SPECIAL_COLOURS = ((128, 128, 128), (255, 0, 255), (214, 214, 214), (160, 160, 160))

# Lightness grows (falls away from the middle) steadily in both, and neither needs red told from green.
_ANCHORS: dict[Colormap, tuple[tuple[int, int, int], ...]] = {
    "sequential": ((24, 10, 58), (54, 50, 124), (36, 104, 142), (28, 152, 134), (110, 198, 92), (252, 232, 60)),
    "diverging": ((12, 44, 110), (74, 132, 200), (255, 255, 255), (222, 120, 76), (120, 14, 34)),
}

_SHARE_IN_RANGE = 0.995


@dataclass(frozen=True)
class Range:
    """The values at the two ends of the colours, given from outside; `mode` says how they were found."""

    low: float
    high: float
    mode: Mode = "fixed"


Scale = Literal["layer", "channel"] | Range | tuple[float, float]


def mode_of(scale: Scale) -> Mode:
    if isinstance(scale, Range):
        return scale.mode
    return scale if isinstance(scale, str) else "fixed"


def layer_range(maps: FeatureMaps) -> Range:
    """The range of `scale="layer"`, for a picture of only a part of the layer."""
    return replace(shared_range([maps]), mode="layer")


def shared_range(layers: Sequence[SomeMaps]) -> Range:
    """One range for several layers: from zero, or as far below zero as above it where any value is negative.

    It reaches as far as the one of them that reaches furthest alone, so that none is clipped more than it would be.
    """
    reach = max((_reach(maps) for maps in layers), default=0.0)
    signed = any(maps.min(initial=0, where=np.isfinite(maps)) < 0 for maps in layers)
    return Range(-reach if signed else 0.0, reach, "shared")


def colour_range(maps: FeatureMaps, scale: Scale) -> tuple[Colormap, Bounds, Bounds]:
    """The colour map and the values at its two ends, for each channel.

    Where the range reaches below zero the map diverges from white at zero and the range is made symmetric; else it is
    sequential. Raises InvalidParameterError for a given range that is not one.
    """
    lows, highs = _extremes(maps)
    if not isinstance(scale, str):
        low, high = (scale.low, scale.high) if isinstance(scale, Range) else scale
        if not (math.isfinite(low) and math.isfinite(high) and (low < high or mode_of(scale) != "fixed")):
            raise InvalidParameterError("scale", (low, high), "give two finite numbers, the lower one first")
        lows, highs = np.full_like(lows, low), np.full_like(highs, high)
    elif scale == "layer":
        reach = _reach(maps)
        lows, highs = np.full_like(lows, -reach if lows.min() < 0 else 0), np.full_like(highs, reach)
    if lows.min() >= 0:
        return "sequential", lows, highs
    bounds = np.maximum(-lows, highs)
    bounds[bounds == 0] = 1
    return "diverging", -bounds, bounds


def palette_indices(maps: FeatureMaps, lows: Bounds, highs: Bounds) -> PaletteIndices:
    """Each value as an entry of the palette: values beyond the ends as the end, NaN and infinity as magenta."""
    with np.errstate(over="ignore", invalid="ignore"):  # float64 layers may span more than float64 holds
        spans = np.where(highs > lows, highs - lows, 1)
        shares = np.clip((maps - lows) / spans, 0, 1)
    shown = np.isfinite(maps) & np.isfinite(shares)
    levels = _FIRST_LEVEL + np.rint(np.where(shown, shares, 0) * (_LEVELS - 1))
    return np.where(shown, levels, NOT_A_NUMBER).astype(np.uint8)


def clipped_share(maps: FeatureMaps, lows: Bounds, highs: Bounds) -> float:
    """The share of the values beyond the ends of the range."""
    return float(((maps < lows) | (maps > highs)).mean())


def hatching(height: int, width: int) -> UInt8[np.ndarray, "height width"]:
    """The palette's entries of a channel of nothing but zeros."""
    diagonal = np.add.outer(np.arange(height), np.arange(width)) % 6
    return np.where(diagonal < 2, _HATCH_DARK, _HATCH_LIGHT).astype(np.uint8)


def palette(colormap: Colormap) -> UInt8[np.ndarray, "255 3"]:
    """Four special colours (gutter, not a number, two of the hatching), then the colour map from low to high."""
    anchors = np.array(_ANCHORS[colormap], np.float64)
    positions = np.linspace(0, len(anchors) - 1, _LEVELS)
    ramp = np.stack([np.interp(positions, range(len(anchors)), channel) for channel in anchors.T], axis=1)
    return np.vstack([_SPECIAL_COLOURS, np.rint(ramp)]).astype(np.uint8)


def _reach(maps: FeatureMaps) -> float:
    """The magnitude that 99.5 % of the values other than zero do not exceed: one glaring unit must not darken the rest.

    Up to 200 values it is the largest one.
    """
    magnitudes = np.abs(maps[np.isfinite(maps) & (maps != 0)])
    return float(np.quantile(magnitudes, _SHARE_IN_RANGE, method="higher")) if magnitudes.size else 0.0


def _extremes(maps: FeatureMaps) -> tuple[Bounds, Bounds]:
    """The smallest and largest finite value of each channel; 0 where it has none."""
    finite = np.isfinite(maps)
    lows = maps.min(axis=(1, 2), keepdims=True, where=finite, initial=np.inf).astype(np.float64)
    highs = maps.max(axis=(1, 2), keepdims=True, where=finite, initial=-np.inf).astype(np.float64)
    return np.where(np.isfinite(lows), lows, 0.0), np.where(np.isfinite(highs), highs, 0.0)
