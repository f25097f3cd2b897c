"""The collection of hostile images, and what each of its files is answered: expected.csv, written by `update`."""

import csv
import os
from pathlib import Path

from service.api.problems import status_of
from service.errors import FoveaError
from service.images.decoding import ImageLimits
from service.images.network_input import network_input
from service.images.preprocessing import Preprocessing

DATA = Path(os.environ.get("FOVEA_DATA", "../shared/data"))
IMAGES = DATA / "hostile-images"
MODELS = DATA / "hostile-models"
EXPECTED = Path(__file__).parent / "expected.csv"

PURPOSE = Preprocessing(height=32, width=32, color="rgb")
Verdict = tuple[str, str]  # status and code, empty where it is classified


def names() -> list[str]:
    """Every file of the collection, in order."""
    with (IMAGES / "manifest.csv").open(newline="") as manifest:
        return sorted(row["file"] for row in csv.DictReader(manifest))


def verdict(data: bytes) -> Verdict:
    """What the service answers to one image, here without HTTP, for the network of `PURPOSE`."""
    try:
        network_input(data, ImageLimits(), PURPOSE)
    except FoveaError as error:
        return str(status_of(error)), error.code
    return "200", ""


def expected() -> dict[str, Verdict]:
    with EXPECTED.open(newline="") as file:
        return {row["file"]: (row["status"], row["code"]) for row in csv.DictReader(file)}


def write(answers: dict[str, Verdict]) -> None:
    with EXPECTED.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("file", "status", "code"))
        writer.writerows((name, *answers[name]) for name in sorted(answers))
