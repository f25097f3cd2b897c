"""`quantize MODEL`: a trained version in 8 bits or in float16, as the model's next version."""

import argparse
from pathlib import Path
from typing import get_args

from training.commands import arguments, sentences
from training.files.quantizing import Precision, quantize


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("quantize", help="make a trained version in fewer bits, as the model's next version")
    parser.add_argument(
        "model", type=arguments.model, metavar="MODEL[@VERSION]", help="default: the newest trained version"
    )
    parser.add_argument(
        "--to", choices=get_args(Precision), default="int8", help="int8 for CPUs (default), float16 for GPUs"
    )
    arguments.data(parser)
    parser.add_argument("--models", type=Path, default=Path("models"), metavar="DIR", help="default: models")
    parser.add_argument(
        "--images",
        type=arguments.count,
        default=500,
        metavar="N",
        help="training images that give int8 its ranges (default: 500)",
    )
    parser.add_argument(
        "--max-loss",
        type=arguments.points,
        default=0.3,
        metavar="POINTS",
        help="accuracy that may be lost (default: 0.3)",
    )
    parser.set_defaults(command=_quantize)


def _quantize(options: argparse.Namespace) -> None:
    name, version = options.model
    result = quantize(
        name,
        version,
        to=options.to,
        models=options.models,
        data=options.data,
        images=options.images,
        max_loss=options.max_loss,
        skip_unreadable=options.skip_unreadable,
        fetch=options.download,
    )
    found = sentences.measured(result.metadata.metrics)
    print(f"{result.path}  {options.to}  {found}; {result.accuracy_before:.2%} before")
