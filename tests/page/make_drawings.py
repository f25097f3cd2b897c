"""Writes drawings.json: every digit as different hands draw it on the page's paper. python -m tests.page.make_drawings

A digit is a few curves on a square; a hand writes it in a size, at a place, with a slant, a tremble and a pen of its
own. No drawing was chosen by what a network says of it.
"""

import json
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

FILE = Path(__file__).parent / "drawings.json"
Curve = np.ndarray  # [points, 2]: x to the right, y downwards, the digit in -1..1


def arc(x: float, y: float, across: float, down: float, start: float, end: float) -> Curve:
    """Part of an ellipse, in degrees: 0 is to the right, 90 downwards."""
    angles = np.radians(np.linspace(start, end, 40))
    return np.stack([x + across * np.cos(angles), y + down * np.sin(angles)], axis=1)


def line(*points: tuple[float, float]) -> Curve:
    legs = [np.linspace(a, b, 14, endpoint=False) for a, b in pairwise(points)]
    return np.concatenate([*legs, [points[-1]]])


def joined(*curves: Curve) -> Curve:
    return np.concatenate(curves)


# Several ways to write each digit; a digit is a list of strokes.
FORMS: dict[int, list[list[Curve]]] = {
    0: [[arc(0, 0, 0.6, 1, -90, 270)], [arc(0, 0, 0.75, 0.95, -60, 310)]],
    1: [[line((0, -1), (0, 1))], [line((-0.4, -0.6), (0.05, -1), (0.05, 1))]],
    2: [
        [joined(arc(0, -0.45, 0.6, 0.55, -170, 30), line((0.45, -0.1), (-0.65, 1), (0.7, 1)))],
        [joined(arc(0, -0.5, 0.55, 0.5, -160, 45), line((0.3, -0.1), (-0.6, 0.95), (0.65, 0.9)))],
    ],
    3: [
        [joined(arc(-0.05, -0.48, 0.55, 0.5, -160, 80), arc(-0.05, 0.48, 0.62, 0.52, -80, 155))],
        [joined(line((-0.55, -0.95), (0.5, -0.95), (-0.05, -0.2)), arc(-0.05, 0.4, 0.62, 0.58, -85, 150))],
    ],
    4: [
        [line((0.1, -1), (-0.7, 0.35), (0.7, 0.35)), line((0.3, -0.25), (0.3, 1))],
        [line((-0.5, -0.9), (-0.55, 0.1), (0.55, 0.1)), line((0.5, -0.95), (0.45, 1))],
    ],
    5: [
        [joined(line((0.55, -0.95), (-0.45, -0.95), (-0.5, -0.15)), arc(-0.05, 0.38, 0.6, 0.6, -125, 145))],
        [
            joined(line((-0.45, -0.9), (-0.5, -0.1)), arc(-0.05, 0.4, 0.6, 0.56, -120, 150)),
            line((-0.45, -0.9), (0.6, -0.95)),
        ],
    ],
    6: [
        [joined(line((0.35, -1), (-0.2, -0.45)), arc(0, 0.42, 0.55, 0.56, -165, 200))],
        [joined(arc(0.5, 0.3, 1.05, 1.3, -105, -180), arc(0, 0.42, 0.55, 0.55, 180, -190))],
    ],
    7: [
        [line((-0.6, -0.95), (0.6, -0.95), (-0.1, 1))],
        [line((-0.6, -0.9), (0.65, -0.95), (0, 1)), line((-0.2, 0.05), (0.55, 0))],
    ],
    8: [
        [joined(arc(0, -0.48, 0.48, 0.48, 90, -270), arc(0, 0.5, 0.58, 0.5, -90, 270))],
        [
            joined(
                arc(0, -0.5, 0.5, 0.45, -40, -270), arc(0, 0.45, 0.55, 0.5, -90, 240), line((-0.3, 0.02), (0.42, -0.75))
            )
        ],
    ],
    9: [
        [joined(arc(0, -0.42, 0.55, 0.55, 0, -360), line((0.55, -0.42), (0.35, 1)))],
        [joined(arc(-0.02, -0.42, 0.52, 0.52, -20, -340), line((0.5, -0.5), (0.5, 1)))],
    ],
}
# How hands differ: half of the digit's height and the pen in shares of the paper, degrees, where its middle is.
STYLES: dict[str, dict[str, float | bool]] = {
    "plain": {"size": 0.32, "pen": 0.06},
    "large": {"size": 0.43, "pen": 0.06},
    "small": {"size": 0.15, "pen": 0.03, "x": 0.45, "y": 0.55},
    "thin": {"size": 0.34, "pen": 0.012},
    "thick": {"size": 0.32, "pen": 0.12},
    "in a corner": {"size": 0.17, "pen": 0.04, "x": 0.2, "y": 0.22},
    "slanted": {"size": 0.3, "pen": 0.05, "slant": 0.3},
    "chalk": {"size": 0.32, "pen": 0.06, "chalk": True},
    "small thin chalk": {"size": 0.14, "pen": 0.012, "x": 0.7, "y": 0.72, "chalk": True},
    "turned": {"size": 0.33, "pen": 0.07, "turn": 9},
}


def drawings() -> Iterator[dict[str, object]]:
    random = np.random.default_rng(20)
    for digit, forms in FORMS.items():
        for number, (style, hand) in enumerate(STYLES.items()):
            strokes = [written(curve, hand, random) for curve in forms[number % len(forms)]]
            pen = float(hand["pen"])
            yield {
                "digit": digit,
                "style": style,
                "chalk": bool(hand.get("chalk", False)),
                "strokes": [{"pen": pen, "points": points} for points in strokes],
            }


def written(curve: Curve, hand: dict[str, float | bool], random: np.random.Generator) -> list[list[float]]:
    turn = math.radians(float(hand.get("turn", 0)) + random.normal(0, 2))
    slant = float(hand.get("slant", 0)) + random.normal(0, 0.05)
    x, y = curve[:, 0] - slant * curve[:, 1], curve[:, 1]
    x, y = x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)
    size = float(hand["size"]) * random.uniform(0.92, 1.08)
    placed = [float(hand.get("x", 0.5)) + size * x, float(hand.get("y", 0.5)) + size * y]
    trembling = np.stack(placed, axis=1) + size * tremble(len(curve), random)
    return [[round(float(a), 4), round(float(b), 4)] for a, b in trembling]


def tremble(count: int, random: np.random.Generator) -> Curve:
    """Slow wobbles: no hand is still, none trembles from one point to the next."""
    steps = np.linspace(0, 1, count)[:, None]
    waves = [random.normal(0, 0.035, 2) * np.sin(2 * np.pi * (k * steps + random.random(2))) for k in (1, 2, 3)]
    return np.asarray(sum(waves))


if __name__ == "__main__":
    lines = [json.dumps(one, separators=(",", ":")) for one in drawings()]
    FILE.write_text("[\n" + ",\n".join(lines) + "\n]\n")
