"""`report FILE`: one HTML file that shows what an exported file answers, how it was trained and what it looks like."""

import argparse
from pathlib import Path
from typing import get_args

from service.engine.model_metadata import Metrics
from training.commands import arguments
from training.files.evaluating import evaluated_file
from training.recipes.recipe import TestTime


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("report", help="write one HTML file about an exported file")
    parser.add_argument("file", type=Path, metavar="FILE")
    arguments.data(parser)
    parser.add_argument("--out", type=Path, metavar="HTML", help="default: report.html beside FILE")
    parser.add_argument("--views", choices=get_args(TestTime), default="none", help="a row for the mean over views")
    parser.set_defaults(command=_report)


def _report(options: argparse.Namespace) -> None:
    from training.reporting.report import report  # noqa: PLC0415 - a second in which matplotlib is read

    out = report(
        options.file,
        options.data,
        options.out or options.file.with_name("report.html"),
        test_time=_test_time(options),
        skip_unreadable=options.skip_unreadable,
        fetch=options.download,
    )
    print(out)


def _test_time(options: argparse.Namespace) -> Metrics | None:
    if options.views == "none":
        return None
    return evaluated_file(
        options.file, options.data, options.views, skip_unreadable=options.skip_unreadable, fetch=options.download
    )
