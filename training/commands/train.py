"""`train RECIPE`, `finetune RECIPE --from FILE` and `resume RUN`: the life of one run, up to its files."""

import argparse
from pathlib import Path

from rich.console import Console

from training.commands import arguments, sentences
from training.commands.loading import loaded
from training.errors import CheckpointError
from training.files.publishing import refuse_existing, version_path
from training.hardware import hardware
from training.learning.group import joined
from training.recipes import recipe_named, with_settings
from training.runs import checkpoint
from training.runs.checkpoint import run_folder
from training.runs.interruption import stop_wishes
from training.runs.keeping import kept
from training.runs.plan import TRAINED, UNTRAINED, Plan
from training.runs.progress import follow
from training.runs.publication import published
from training.runs.session import Session, begun, resumed
from training.runs.tensorboard import logged


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    train = commands.add_parser("train", help="train a recipe and export versions 0 (untrained) and 1 (trained)")
    _add_begun(train)
    train.set_defaults(command=_train, backbone=None)
    finetune = commands.add_parser("finetune", help="train a recipe on new classes, from what a network learnt before")
    _add_begun(finetune)
    finetune.add_argument(
        "--from", type=Path, required=True, metavar="FILE", dest="backbone", help="an exported model or a checkpoint"
    )
    finetune.set_defaults(command=_train)
    resume = commands.add_parser("resume", help="go on with a run that was stopped, as if it never had been")
    resume.add_argument("run", type=Path, metavar="RUN", help="its folder, as in runs/mnist-0")
    resume.add_argument("--data", type=Path, metavar="DIR", help="where the data are now (default: where they were)")
    arguments.download(resume)
    _add_watched(resume)
    resume.set_defaults(command=_resume)


def _add_begun(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE", help="a name that `list` shows")
    arguments.data(parser)
    arguments.settings(parser)
    parser.add_argument(
        "--seed", type=arguments.seed, default=0, metavar="N", help="same seed, same weights (default: 0)"
    )
    parser.add_argument("--name", metavar="NAME", help="of the model (default: the recipe's)")
    parser.add_argument("--out", type=Path, default=Path("models"), metavar="DIR", help="default: models")
    parser.add_argument("--overwrite", action="store_true", help="replace versions that exist, forget a stopped run")
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="of checkpoints (default: runs)")
    _add_watched(parser)


def _add_watched(parser: argparse.ArgumentParser) -> None:
    arguments.device(parser)
    parser.add_argument("--tensorboard", type=Path, metavar="DIR", help="write logs for TensorBoard there")


def _train(options: argparse.Namespace) -> None:
    recipe = with_settings(recipe_named(options.recipe), options.settings)
    plan = Plan(
        recipe=recipe,
        seed=options.seed,
        name=options.name or recipe.name,
        data=options.data,
        out=options.out,
        backbone=options.backbone,
        skip_unreadable=options.skip_unreadable,
    )
    folder = run_folder(options.runs, plan)
    if not options.overwrite:
        _refuse_existing(plan, folder)
    with joined(options.device) as group:
        _go_on(begun(plan, loaded(plan, group, fetch=options.download), group), folder, options)


def _resume(options: argparse.Namespace) -> None:
    found = checkpoint.read(options.run)
    plan = found.plan.with_data(options.data)
    with joined(options.device) as group:
        dataset = loaded(plan, group, fetch=options.download)
        _go_on(resumed(options.run, found, dataset, group).gone_on(), options.run, options)


def _go_on(session: Session, folder: Path, options: argparse.Namespace) -> None:
    recipe, group = session.plan.recipe, session.group
    console = Console(quiet=not group.first)
    console.print(f"{recipe.name}: {recipe.network} on {hardware(group)}", highlight=False)
    with stop_wishes() as stop:
        events = kept(session, folder, stop)
        if options.tensorboard is not None and group.first:
            events = logged(events, options.tensorboard)
        follow(events, recipe.epochs, console)
    if group.first:
        sentences.say(published(session))
        checkpoint.remove(folder)


def _refuse_existing(plan: Plan, folder: Path) -> None:
    versions = (version_path(plan.out, plan.name, version) for version in (UNTRAINED, TRAINED))
    refuse_existing(versions, "give --overwrite or another folder: --out")
    if (folder / checkpoint.FILE).exists():
        raise CheckpointError(
            folder / checkpoint.FILE,
            "is of a run that was stopped",
            f"go on with it: python -m training resume {folder}, or forget it: --overwrite",
        )
