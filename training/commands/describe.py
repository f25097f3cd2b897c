"""`describe FILE`: what each layer holds for training images, written into an exported file."""

import argparse
from pathlib import Path

from training.commands import arguments
from training.files.describing import describe


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "describe", help="write what each layer holds for training images into an exported file, for live-statistics"
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    arguments.data(parser)
    parser.set_defaults(command=_describe)


def _describe(options: argparse.Namespace) -> None:
    described = describe(options.file, options.data, skip_unreadable=options.skip_unreadable, fetch=options.download)
    report = described.layer_statistics
    if report is not None:
        print(f"{options.file}  {len(report.layers)} layers over {report.images:,} {report.dataset}")
