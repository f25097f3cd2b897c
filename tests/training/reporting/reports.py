"""What the tests of reports share: a page taken apart, and small models with data sets made for them."""

from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import torch

from service.engine.model_file import ModelFile, from_bytes
from service.engine.model_metadata import ModelMetadata, Provenance, with_metadata
from tests.tiny_models import UINT8, classifier
from training.datasets import Dataset, Examples
from training.datasets.dataset import stretched
from training.reporting.page import page
from training.reporting.report import gathered

VOID = {"meta", "link", "img", "br", "hr", "input"}
ASKS = {"src", "href", "srcset", "data", "poster", "action", "xlink:href", "background"}


class Taken(HTMLParser):
    """Raises AssertionError where an element is closed that is not open. `requests`: what a browser would ask for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.tables: list[list[list[str]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.text += data
        if "td" in self.open or "th" in self.open:
            self.tables[-1][-1][-1] += data

    @property
    def requests(self) -> list[str]:
        asked = [value for _, attrs in self.elements for key, value in attrs.items() if key in ASKS]
        return [value for value in asked if not value.startswith(("#", "data:"))]

    def ids(self) -> list[str]:
        return [attrs["id"] for _, attrs in self.elements if "id" in attrs]

    def table(self, *heading: str) -> list[list[str]]:
        """The rows below the heading that begins with these cells."""
        return next(rows[1:] for rows in self.tables if tuple(rows[0][: len(heading)]) == heading)


def tiny(class_names: tuple[str, ...], channels: int = 1, side: int = 8, images: int = 60) -> tuple[ModelFile, Dataset]:
    """A network of random weights, and random images of all classes in turn."""
    model = classifier(channels=channels, side=side, classes=len(class_names), layout="NHWC", dtype=UINT8)
    preprocessing = stretched(side, side, channels)
    metadata = ModelMetadata(
        class_names=class_names,
        preprocessing=preprocessing,
        provenance=Provenance(stage="trained", recipe="digits", seed=0),
    )
    file = from_bytes(with_metadata(model, metadata).SerializeToString())
    random = np.random.default_rng(0)
    pixels = torch.from_numpy(random.integers(0, 256, (images, side, side, channels), np.uint8))
    examples = Examples(pixels, torch.arange(images) % len(class_names))
    return file, Dataset(class_names, examples, examples, "noise", preprocessing)


def tiny_page(class_names: tuple[str, ...], channels: int = 1, side: int = 8, images: int = 60) -> str:
    return page(gathered(Path("nowhere.onnx"), *tiny(class_names, channels, side, images)))
