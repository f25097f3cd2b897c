"""Asks the service about every MNIST test image and compares the accuracy with the one the model file states.

    FOVEA_DATA=... .venv-dev/bin/python benchmarks/accuracy_over_http.py

The folder holds mnist/ with MNIST's four .gz files. Fails where the two accuracies differ by a single image.
"""

import io
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import httpx
import numpy as np
from PIL import Image

from service.settings import Settings
from tests.service.api.conftest import ready
from training.datasets import load

IMAGES_PER_REQUEST = 50


def main() -> None:
    test = load("mnist", Path(os.environ.get("FOVEA_DATA", "../shared/data")) / "mnist").test
    with ready(Settings()) as client:
        stated = next(v for v in client.get("/v1/models/mnist").json()["versions"] if v["default"])["metrics"]
        began = time.monotonic()
        right = int((answers(client, test.images.numpy()) == test.labels.numpy()).sum())
        seconds = time.monotonic() - began
    print(f"right over HTTP: {right} of {len(test)}; stated: {stated['accuracy']:.4f} of {stated['images']}")
    print(f"{len(test) / seconds:,.0f} images/s, one client, {IMAGES_PER_REQUEST} PNG files a request")
    assert right == round(stated["accuracy"] * stated["images"])


def answers(client: httpx.Client, images: np.ndarray) -> np.ndarray:
    """The class that the service ranks first, for each image."""
    found: list[int] = []
    for start in range(0, len(images), IMAGES_PER_REQUEST):
        files = [("file", png(image[:, :, 0])) for image in images[start : start + IMAGES_PER_REQUEST]]
        results = client.post("/v1/models/mnist/classify?top=1", files=files).json()["results"]
        found += [result["predictions"][0]["index"] for result in results]
    return np.array(found)


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


if __name__ == "__main__":
    main()
