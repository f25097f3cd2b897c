"""The command line: `python -m training train RECIPE | evaluate FILE | describe FILE | quantize MODEL | list`.

Whatever is wrong with the request ends as one line on stderr and exit code 2.
"""

import argparse
import math
import sys
from functools import partial
from pathlib import Path

from rich.console import Console

from service.engine.model_metadata import Metrics
from service.errors import FoveaError
from training.datasets import load
from training.describing import describe
from training.evaluating import evaluated_file
from training.progress import follow
from training.quantizing import quantize
from training.recipes import RECIPES, recipe_named, with_settings
from training.run import run

INTERRUPTED = 130  # what a shell gives for Ctrl-C: 128 + SIGINT


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except (FoveaError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; nothing was written", file=sys.stderr)
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description="Train CNNs and export them to ONNX.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    train = commands.add_parser("train", help="train a recipe and export versions 0 (untrained) and 1 (trained)")
    train.add_argument("recipe", metavar="RECIPE", help="a name that `list` shows")
    train.add_argument("--data", type=Path, metavar="DIR", help="folder of the data files (default: data/<data set>)")
    train.add_argument("--seed", type=_seed, default=0, metavar="N", help="same seed, same weights (default: 0)")
    train.add_argument("--out", type=Path, default=Path("models"), metavar="DIR", help="default: models")
    train.add_argument("--overwrite", action="store_true", help="replace versions that exist")
    train.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="settings", help="change a number"
    )
    train.set_defaults(command=_train)
    evaluate = commands.add_parser("evaluate", help="measure an exported file on its recipe's test set")
    evaluate.add_argument("file", type=Path, metavar="FILE")
    evaluate.add_argument(
        "--data", type=Path, metavar="DIR", help="folder of the data files (default: data/<data set>)"
    )
    evaluate.set_defaults(command=_evaluate)
    describing = commands.add_parser(
        "describe", help="write what each layer holds for training images into an exported file, for live-statistics"
    )
    describing.add_argument("file", type=Path, metavar="FILE")
    describing.add_argument(
        "--data", type=Path, metavar="DIR", help="folder of the data files (default: data/<data set>)"
    )
    describing.set_defaults(command=_describe)
    quantize = commands.add_parser("quantize", help="make a trained version's 8-bit form, as the model's next version")
    quantize.add_argument("model", type=_model, metavar="MODEL[@VERSION]", help="default: the newest trained version")
    quantize.add_argument(
        "--data", type=Path, metavar="DIR", help="folder of the data files (default: data/<data set>)"
    )
    quantize.add_argument("--models", type=Path, default=Path("models"), metavar="DIR", help="default: models")
    quantize.add_argument(
        "--images", type=_count, default=500, metavar="N", help="training images to calibrate with (default: 500)"
    )
    quantize.add_argument(
        "--max-loss", type=_points, default=0.3, metavar="POINTS", help="accuracy that may be lost (default: 0.3)"
    )
    quantize.set_defaults(command=_quantize)
    commands.add_parser("list", help="show the recipes").set_defaults(command=_list)
    return parser


def _seed(text: str) -> int:
    if not (text.isdecimal() and int(text) < 2**32):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 to {2**32 - 1}")
    return int(text)


def _model(text: str) -> tuple[str, int | None]:
    name, at, version = text.partition("@")
    if not name or (at and not version.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is no MODEL or MODEL@VERSION, as in mnist@1")
    return name, int(version) if at else None


def _count(text: str) -> int:
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def _points(text: str) -> float:
    try:
        points = float(text)
    except ValueError:
        points = math.nan
    if not 0 <= points <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 100")
    return points


def _train(options: argparse.Namespace) -> None:
    recipe = with_settings(recipe_named(options.recipe), options.settings)
    files = run(
        recipe,
        load(recipe.dataset, options.data),
        seed=options.seed,
        out=options.out,
        overwrite=options.overwrite,
        follow=partial(follow, epochs=recipe.epochs, console=Console()),
    )
    for path, metadata in files.items():
        print(f"{path}  {metadata.provenance.stage}  {_sentence(metadata.metrics)}")


def _evaluate(options: argparse.Namespace) -> None:
    print(f"{options.file}  {_sentence(evaluated_file(options.file, options.data))}")


def _describe(options: argparse.Namespace) -> None:
    report = describe(options.file, options.data).layer_statistics
    if report is not None:
        print(f"{options.file}  {len(report.layers)} layers over {report.images:,} {report.dataset}")


def _quantize(options: argparse.Namespace) -> None:
    name, version = options.model
    result = quantize(
        name, version, models=options.models, data=options.data, images=options.images, max_loss=options.max_loss
    )
    print(f"{result.path}  quantized  {_sentence(result.metadata.metrics)}; {result.accuracy_before:.2%} before")


def _list(_options: argparse.Namespace) -> None:
    for recipe in RECIPES.values():
        print(f"{recipe.name}  network {recipe.network}, {recipe.epochs} epochs. {recipe.evidence}")


def _sentence(measured: Metrics | None) -> str:
    if measured is None:
        return "not measured"
    return f"{measured.accuracy:.2%} of {measured.images:,} images right, loss {measured.loss:.4f} ({measured.dataset})"


if __name__ == "__main__":
    sys.exit(main())
