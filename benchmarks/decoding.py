"""From the bytes of an image file to a network's input: the usual few lines of Pillow, and ours, in turns in one run.

    .venv-dev/bin/python benchmarks/decoding.py

Other decoders are measured too where they are installed: simplejpeg, cv2, imagecodecs, pyspng (only the decoding).
The photograph is pink noise, whose frequencies are spread as a photograph's are. Nothing here is fetched.
"""

import importlib
import io
import os
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from PIL import Image

from service.images.decoding import ImageLimits, decode
from service.images.network_input import network_input, picture
from service.images.preprocessing import Preprocessing, received

ROUNDS = 15
SECONDS_A_TURN = 0.02
Ways = dict[str, Callable[[], object]]

DIGIT = Preprocessing(height=28, width=28, color="gray")
IMAGENET = Preprocessing(height=224, width=224, color="rgb", resize="crop", crop_fraction=0.875)
GREY = IMAGENET.model_copy(update={"color": "gray"})


def main() -> None:
    print(f"{os.cpu_count()} processors; milliseconds, the median of {ROUNDS} turns and (the least)\n")
    large = photograph(4000, 3000)
    medium = large.resize((640, 480), Image.Resampling.LANCZOS)
    digit = large.convert("L").resize((28, 28))
    cases = {
        "28x28 PNG, grey": (saved(digit, "PNG"), DIGIT),
        "32x32 PNG to 28x28 grey": (saved(large.resize((32, 32)), "PNG"), DIGIT),
        "640x480 JPEG to 224x224": (saved(medium, "JPEG"), IMAGENET),
        "640x480 JPEG to 224x224 grey": (saved(medium, "JPEG"), GREY),
        "640x480 JPEG to 28x28 grey": (saved(medium, "JPEG"), DIGIT),
        "640x480 PNG to 224x224": (saved(medium, "PNG"), IMAGENET),
        "1600x1200 JPEG to 224x224": (saved(large.resize((1600, 1200)), "JPEG"), IMAGENET),
        "4000x3000 JPEG to 224x224": (saved(large, "JPEG"), IMAGENET),
        "4000x3000 JPEG to 224x224 grey": (saved(large, "JPEG"), GREY),
    }
    for name, (data, purpose) in cases.items():
        print(f"{name}, {len(data):,} bytes{difference(data, purpose)}")
        report(timed(ways(data, purpose)))
    data = cases["640x480 JPEG to 224x224"][0]
    print(f"two threads decode {two_threads(lambda: network_input(data, ImageLimits(), IMAGENET)):.2f} times as many")


def photograph(width: int, height: int) -> Image.Image:
    """Noise whose amplitude falls with 1/frequency, as in natural scenes (Field, 1987)."""
    down, across = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    amplitude = 1 / np.maximum(np.hypot(down, across), 1 / width)
    noise = np.random.default_rng(0).normal(size=(3, height, width))
    pink = np.fft.irfft2(np.fft.rfft2(noise) * amplitude, (height, width))
    pink += 2 * pink.mean(axis=0)  # colours vary less than brightness
    levels = 128 + 50 * pink / pink.std()
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8).transpose(1, 2, 0))


def saved(image: Image.Image, image_format: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, quality=90)
    return buffer.getvalue()


def ways(data: bytes, purpose: Preprocessing) -> Ways:
    return {
        "usual": lambda: usual(data, purpose),
        "ours": lambda: network_input(data, ImageLimits(), purpose),
        "ours, decoding all": lambda: decode(data, ImageLimits()),
    } | others(data)


def usual(data: bytes, purpose: Preprocessing) -> np.ndarray:
    """What a template does: no limit, no orientation, no care for transparency."""
    image = Image.open(io.BytesIO(data)).convert("L" if purpose.color == "gray" else "RGB")
    target = (purpose.width, purpose.height)
    if image.size == target:
        return np.array(image)
    ratio = min(image.width / target[0], image.height / target[1]) * purpose.crop_fraction
    left, top = (image.width - target[0] * ratio) / 2, (image.height - target[1] * ratio) / 2
    box = (left, top, left + target[0] * ratio, top + target[1] * ratio)
    return np.array(image.resize(target, Image.Resampling.BILINEAR, box=box))


def others(data: bytes) -> Ways:
    """The decoders at hand for this format."""
    if data.startswith(b"\xff\xd8"):
        calls = {"simplejpeg": "decode_jpeg", "cv2": "imdecode", "imagecodecs": "jpeg_decode"}
    else:
        calls = {"pyspng": "load", "cv2": "imdecode", "imagecodecs": "png_decode"}
    return {
        f"{module}, decoding all": call
        for module, function in calls.items()
        if (call := installed(module, function, data))
    }


def installed(module: str, function: str, data: bytes) -> Callable[[], object] | None:
    try:
        call = getattr(importlib.import_module(module), function)
    except ImportError:
        return None
    if module == "cv2":
        return lambda: call(np.frombuffer(data, np.uint8), -1)  # -1: unchanged
    return lambda: call(data)


def difference(data: bytes, purpose: Preprocessing) -> str:
    """Between the picture the network is given and that of all pixels, in levels of 256."""
    whole = received(decode(data, ImageLimits()), purpose).astype(int)
    levels = np.abs(picture(data, ImageLimits(), purpose) - whole)
    return f"; levels off all pixels' picture: mean {levels.mean():.2f}, at most {levels.max()}" if levels.any() else ""


def timed(ways: Ways) -> dict[str, list[float]]:
    """Milliseconds a call, a list of one figure a turn; the ways take turns, so that a busy moment meets them all."""
    repeats = {name: max(1, int(SECONDS_A_TURN / once(way, 3))) for name, way in ways.items()}
    turns: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            turns[name].append(1000 * once(way, repeats[name]))
    return turns


def once(way: Callable[[], object], repeats: int) -> float:
    """Seconds a call."""
    began = time.perf_counter()
    for _ in range(repeats):
        way()
    return (time.perf_counter() - began) / repeats


def report(turns: dict[str, list[float]]) -> None:
    usual_median = statistics.median(turns["usual"])
    for name, milliseconds in turns.items():
        median = statistics.median(milliseconds)
        print(f"  {name:32} {median:9.4f} ({min(milliseconds):9.4f}) {usual_median / median:6.2f}x")
    print()


def two_threads(way: Callable[[], object], images: int = 200) -> float:
    """How many times as many images two threads do in the same time."""
    alone = once(way, images) * images
    with ThreadPoolExecutor(2) as pool:
        began = time.perf_counter()
        list(pool.map(lambda _: way(), range(images)))
    return alone / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
