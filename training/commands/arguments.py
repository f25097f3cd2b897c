"""Arguments that several commands take, and what they accept."""

import argparse
import math
from pathlib import Path


def data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of the data files (default: data/<data set>)")
    download(parser)
    parser.add_argument("--skip-unreadable", action="store_true", help="leave images out that cannot be decoded")


def download(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--download", action="store_true", help="fetch a public data set into that folder first")


def settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="settings",
        help="change a setting of the recipe",
    )


def device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: a GPU where there is one"
    )


def seed(text: str) -> int:
    if not (text.isdecimal() and int(text) < 2**32):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 to {2**32 - 1}")
    return int(text)


def model(text: str) -> tuple[str, int | None]:
    name, at, version = text.partition("@")
    if not name or (at and not version.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is no MODEL or MODEL@VERSION, as in mnist@1")
    return name, int(version) if at else None


def count(text: str) -> int:
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def points(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 100")
    return number
