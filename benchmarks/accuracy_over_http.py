"""Asks the service about every MNIST test image and compares the accuracy with the one the model file states.

    FOVEA_DATA=... python -m benchmarks.accuracy_over_http

The folder holds mnist/ with MNIST's four .gz files. The two accuracies should not differ by a single image.
"""

import io
import os
import time
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

from benchmarks import systems
from benchmarks.environments import ROOT
from benchmarks.report import Goal, Section
from benchmarks.server import running
from training.datasets import load

IMAGES_PER_REQUEST = 50


def section() -> Section:
    """One client that sends PNG files, 50 a request."""
    folder = Path(os.environ.get("FOVEA_DATA", ROOT.parent / "shared/data")) / "mnist"
    if not folder.exists():
        return Section(
            "Accuracy over HTTP", f"Not measured: there is no {folder}; FOVEA_DATA names the folder above it."
        )
    test = load("mnist", folder, (28, 28, 1)).test
    with (
        running(systems.fovea(ROOT / "models", "mnist")) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as client,
    ):
        stated = next(v for v in client.get("/v1/models/mnist").json()["versions"] if v["default"])["metrics"]
        began = time.monotonic()
        right = int((_answers(client, test.images.numpy()) == test.labels.numpy()).sum())
        seconds = time.monotonic() - began
    seen = f"{right:,} of {len(test):,} right; stated {stated['accuracy']:.4f} of {stated['images']:,}"
    text = f"{seen}. {len(test) / seconds:,.0f} images/s, one client, {IMAGES_PER_REQUEST} PNG files a request."
    goal = Goal("accuracy of `mnist` over HTTP", "as stated, to the image", seen)
    return Section("Accuracy over HTTP", text, (goal,), {"right": right, "stated": stated, "seconds": seconds})


def _answers(client: httpx.Client, images: np.ndarray) -> np.ndarray:
    """The class that the service ranks first, for each image."""
    found: list[int] = []
    for start in range(0, len(images), IMAGES_PER_REQUEST):
        files = [("file", _png(image[:, :, 0])) for image in images[start : start + IMAGES_PER_REQUEST]]
        results = client.post("/v1/models/mnist/classify?top=1", files=files).json()["results"]
        found += [result["predictions"][0]["index"] for result in results]
    return np.array(found)


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


if __name__ == "__main__":
    print(section().markdown())
