"""`list`: the recipes and their evidence."""

import argparse
import sys
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from training.recipes import RECIPES, Recipe
from training.recipes.evidence import evidence_of

HEAD = ("recipe", "data set", "network", "test accuracy", "seeds", "time", "on", "command")
WIDE = 400  # columns, where no terminal folds the lines: one recipe, one line


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("list", help="show the recipes and what they gave")
    parser.add_argument("--markdown", action="store_true", help="the measured ones as a Markdown table, for documents")
    parser.set_defaults(command=_list)


def _list(options: argparse.Namespace) -> None:
    if options.markdown:
        print("\n".join(markdown()))
        return
    table = Table(*HEAD[:-1], box=None, pad_edge=False)
    for recipe in RECIPES.values():
        table.add_row(*_row(recipe)[:-1])
    Console(width=None if sys.stdout.isatty() else WIDE).print(table)


def markdown() -> Iterator[str]:
    """The lines of a table of the recipes that were measured as they are now."""
    yield f"| {' | '.join(HEAD)} |"
    yield "|---" * len(HEAD) + "|"
    for recipe in RECIPES.values():
        if evidence_of(recipe) is not None:
            *figures, command = _row(recipe)
            yield f"| {' | '.join(figures)} | `{command}` |"


def _row(recipe: Recipe) -> tuple[str, ...]:
    found = evidence_of(recipe)
    named = (recipe.name, recipe.dataset, recipe.network)
    if found is None:
        return (*named, "not measured", "", "", "", "")
    where = f"{found.hardware}, {found.date}"
    return (*named, found.sentence, str(len(found.accuracies)), found.time, where, found.command)
