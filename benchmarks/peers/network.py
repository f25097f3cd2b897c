"""What every peer does with a picture: decode, prepare, run, name, with Pillow, numpy and ONNX Runtime.

Knows no HTTP and nothing of the service; what the picture must become it reads from the model file's metadata.
"""

import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime as ort
from PIL import Image

TOP = 5
_RESAMPLING = {name.lower(): Image.Resampling[name] for name in ("NEAREST", "BILINEAR", "BICUBIC", "LANCZOS")}


class Network:
    """One session and the words for its classes."""

    def __init__(self, path: str, threads: int) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        stated = {
            key.removeprefix("fovea."): value
            for key, value in self._session.get_modelmeta().custom_metadata_map.items()
            if key.startswith("fovea.")
        }
        self._input = self._session.get_inputs()[0].name
        self._names = json.loads(stated["class_names"])
        self._preprocessing = json.loads(stated["preprocessing"])

    def pixels(self, file: bytes) -> np.ndarray:
        return self.prepared(Image.open(io.BytesIO(file)))

    def prepared(self, image: Image.Image) -> np.ndarray:
        """One network input without its batch axis."""
        wanted = self._preprocessing
        image = _resized(image.convert("L" if wanted["color"] == "gray" else "RGB"), wanted)
        values = np.array(image)
        if values.ndim == 2:
            values = values[:, :, None]
        if wanted["dtype"] == "uint8":
            return values
        values = (values * np.float32(wanted["scale"]) - np.float32(wanted["mean"])) / np.float32(wanted["std"])
        return values.transpose(2, 0, 1) if wanted["layout"] == "NCHW" else values

    def predictions(self, inputs: Sequence[np.ndarray]) -> list[list[dict[str, object]]]:
        """For each input its most probable classes; one run for all."""
        (logits,) = self._session.run(None, {self._input: np.stack(inputs)})
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        rows = powers / powers.sum(axis=1, keepdims=True)
        return [
            [
                {"label": self._names[index], "index": index, "probability": float(row[index])}
                for index in np.argsort(-row)[:TOP].tolist()
            ]
            for row in rows
        ]


def _resized(image: Image.Image, wanted: dict[str, Any]) -> Image.Image:
    target = (wanted["width"], wanted["height"])
    if image.size == target:
        return image
    box = None
    if wanted["resize"] == "crop":
        ratio = min(image.width / target[0], image.height / target[1]) * wanted["crop_fraction"]
        left, top = (image.width - target[0] * ratio) / 2, (image.height - target[1] * ratio) / 2
        box = (max(0, left), max(0, top), min(image.width, image.width - left), min(image.height, image.height - top))
    return image.resize(target, _RESAMPLING[wanted["interpolation"]], box=box)
