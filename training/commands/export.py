"""`export RUN`: what a stopped run has reached. `export FILE --recipe RECIPE`: weights that were trained elsewhere."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from training.commands import arguments, sentences
from training.commands.loading import loaded
from training.errors import CheckpointError, MissingRecipeError
from training.files.publishing import refuse_existing, version_path
from training.learning.group import Group
from training.recipes import recipe_named, with_settings
from training.runs import checkpoint
from training.runs.checkpoint import Checkpoint
from training.runs.foreign_weights import foreign_weights
from training.runs.plan import TRAINED, UNTRAINED, Plan
from training.runs.publication import published, published_elsewhere_trained
from training.runs.session import begun, resumed

EXISTS = "give another name or folder: --name, --out"


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("export", help="publish the best epoch of a stopped run, or weights of your own")
    parser.add_argument(
        "source", type=Path, metavar="RUN|FILE", help="a run's folder, as in runs/mnist-0; or a state_dict in a .pt"
    )
    parser.add_argument("--recipe", metavar="RECIPE", help="of a FILE: whose network and data set it is")
    arguments.data(parser)
    arguments.settings(parser)
    parser.add_argument("--name", metavar="NAME", help="of the model (default: the run's, of a FILE the recipe's)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: the run's, of a FILE models")
    parser.set_defaults(command=_export)


def _export(options: argparse.Namespace) -> None:
    if options.source.is_file():
        _export_weights(options)
    else:
        _export_run(options)


def _export_run(options: argparse.Namespace) -> None:
    run = options.source
    found = checkpoint.read(run)
    _check_run(options, found)
    plan = _plan_of_run(found.plan, options)
    refuse_existing((version_path(plan.out, plan.name, version) for version in (UNTRAINED, TRAINED)), EXISTS)
    dataset = loaded(plan, Group(), fetch=options.download)
    sentences.say(published(resumed(run, replace(found, plan=plan), dataset, Group(world=found.processes))))


def _plan_of_run(plan: Plan, options: argparse.Namespace) -> Plan:
    return replace(
        plan.with_data(options.data),
        name=options.name or plan.name,
        out=options.out or plan.out,
        skip_unreadable=plan.skip_unreadable or options.skip_unreadable,
    )


def _check_run(options: argparse.Namespace, found: Checkpoint) -> None:
    run = options.source
    if options.recipe is not None or options.settings:
        raise CheckpointError(
            run / checkpoint.FILE, "states its recipe and its settings", "leave out --recipe and --set"
        )
    if not found.kept_epoch:
        raise CheckpointError(
            run / checkpoint.FILE,
            "has no finished epoch yet, and so nothing trained",
            f"go on with it: python -m training resume {run}",
        )


def _export_weights(options: argparse.Namespace) -> None:
    if options.recipe is None:
        raise MissingRecipeError(options.source)
    recipe = with_settings(recipe_named(options.recipe), options.settings)
    plan = Plan(
        recipe=recipe,
        name=options.name or recipe.name,
        data=options.data,
        out=options.out or Path("models"),
        skip_unreadable=options.skip_unreadable,
    )
    refuse_existing([version_path(plan.out, plan.name, TRAINED)], EXISTS)
    session = begun(plan, loaded(plan, Group(), fetch=options.download), Group())
    session.state.kept, says_pixels = foreign_weights(session.state.network, options.source)
    if not says_pixels:
        print("the file says no mean and deviation of the pixels: they are those of these images", file=sys.stderr)
    sentences.say(published_elsewhere_trained(session, options.source))
