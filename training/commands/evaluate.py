"""`evaluate FILE`: an exported file measured again on its recipe's test set."""

import argparse
from pathlib import Path
from typing import get_args

from training.commands import arguments, sentences
from training.files.evaluating import evaluated_file
from training.recipes.recipe import TestTime


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("evaluate", help="measure an exported file on its recipe's test set")
    parser.add_argument("file", type=Path, metavar="FILE")
    arguments.data(parser)
    parser.add_argument("--views", choices=get_args(TestTime), default="none", help="mean over views of each image")
    parser.set_defaults(command=_evaluate)


def _evaluate(options: argparse.Namespace) -> None:
    found = evaluated_file(
        options.file, options.data, options.views, skip_unreadable=options.skip_unreadable, fetch=options.download
    )
    print(f"{options.file}  {sentences.measured(found)}")
