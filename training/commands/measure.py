"""`measure RECIPE`: trains it with several seeds and says how well and how fast."""

import argparse
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from training.commands import arguments, sentences
from training.commands.loading import loaded
from training.datasets import Dataset
from training.errors import InvalidRecipeError
from training.evaluation import accuracy, torch_logits
from training.files.provenance import commit
from training.files.publishing import publish, refuse_existing, version_path
from training.hardware import hardware
from training.learning.group import Group, joined
from training.recipes import Recipe, recipe_named, with_settings
from training.recipes.evidence import Evidence, evidence_file, evidence_of, written
from training.runs.plan import TRAINED, UNTRAINED, Plan
from training.runs.progress import follow
from training.runs.publication import published
from training.runs.session import Session, begun, network_with
from training.test_time import view_logits


class Measured(NamedTuple):
    """One seed: accuracies on the test set of one look and of the recipe's views; seconds of training."""

    accuracy: float
    test_time: float
    seconds: float
    dataset: str


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("measure", help="train a recipe with several seeds: its accuracy, spread and time")
    parser.add_argument("recipe", metavar="RECIPE", help="a name that `list` shows")
    arguments.data(parser)
    arguments.settings(parser)
    arguments.device(parser)
    kept = parser.add_mutually_exclusive_group()  # what is kept is of the recipe alone
    kept.add_argument("--from", type=Path, metavar="FILE", dest="backbone", help="begin with what this network learnt")
    parser.add_argument("--seeds", type=arguments.count, default=3, metavar="N", help="0 .. N-1 (default: 3)")
    kept.add_argument(
        "--write", action="store_true", help="keep the figures for `list`; go on where a stopped one kept them"
    )
    parser.add_argument("--publish", type=Path, metavar="DIR", help="export what seed 0 gave to this folder of models")
    parser.set_defaults(command=_measure)


def _measure(options: argparse.Namespace) -> None:
    _refuse_settings(options)
    recipe = with_settings(recipe_named(options.recipe), options.settings)
    out = options.publish or Path("models")
    if options.publish is not None:
        versions = (version_path(out, recipe.name, version) for version in (UNTRAINED, TRAINED))
        refuse_existing(versions, "give another folder: --publish")
    with joined(options.device) as group:
        first = Plan(
            recipe=recipe,
            name=recipe.name,
            data=options.data,
            out=out,
            backbone=options.backbone,
            skip_unreadable=options.skip_unreadable,
        )
        dataset = loaded(first, group, fetch=options.download)
        where = hardware(group)
        evidence = _begun(recipe, dataset, where, options)
        for seed in range(len(evidence.accuracies) if evidence else 0, options.seeds):
            run = _run(replace(first, seed=seed), dataset, group, options)
            evidence = _with(evidence, run, recipe, where, options)
            if group.first:
                _tell(evidence, options)


def _refuse_settings(options: argparse.Namespace) -> None:
    if options.write and options.settings:
        key, _, value = options.settings[0].partition("=")
        remedy = "--write keeps the figures of a recipe as it stands: leave out --write or --set"
        raise InvalidRecipeError(key, value, remedy)


def _begun(recipe: Recipe, dataset: Dataset, where: str, options: argparse.Namespace) -> Evidence | None:
    """What a measurement that was stopped has kept of the same recipe on the same data and hardware."""
    found = evidence_of(recipe) if options.write else None
    if found is None or (found.dataset, found.hardware) != (dataset.description, where):
        return None
    return found if len(found.accuracies) < options.seeds else None


def _tell(evidence: Evidence, options: argparse.Namespace) -> None:
    print(f"{evidence.recipe}: {evidence.sentence}, {evidence.time}", flush=True)
    if options.write:
        publish({evidence_file(evidence.recipe): f"{evidence.model_dump_json(indent=2)}\n".encode()})


def _run(plan: Plan, dataset: Dataset, group: Group, options: argparse.Namespace) -> Measured:
    session = begun(plan, dataset, group)
    began = time.perf_counter()
    follow(session.events(), plan.recipe.epochs, Console(quiet=not group.first))
    seconds = time.perf_counter() - began
    plain, views = accuracies(session)
    if group.first:
        told = f"{plain:.2%}, with {plan.recipe.test_time} views {views:.2%}, {seconds:.1f} s"
        print(f"seed {plan.seed}: {told}", flush=True)
        if plan.seed == 0 and options.publish is not None:
            sentences.say(published(session))
    return Measured(plain, views, round(seconds, 1), dataset.description)


def _with(before: Evidence | None, run: Measured, recipe: Recipe, where: str, options: argparse.Namespace) -> Evidence:
    """The evidence with one more seed."""
    views = (run.test_time,) if recipe.test_time != "none" else ()
    now = commit()
    return Evidence(
        recipe=recipe.name,
        settings=written(recipe),
        dataset=run.dataset,
        accuracies=(*(before.accuracies if before else ()), run.accuracy),
        test_time=(*(before.test_time if before else ()), *views),
        seconds=(*(before.seconds if before else ()), run.seconds),
        hardware=where,
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        commit=now,
        earlier_commits=before.commits_before(now) if before else (),
        command=_command(options),
    )


def accuracies(session: Session) -> tuple[float, float]:
    """On the test set: of one look at each image, and of the recipe's views of it."""
    network = network_with(session, session.state.kept)
    test = session.dataset.test
    views = view_logits(lambda images: torch_logits(network, images), test.images, session.plan.recipe.test_time)
    return accuracy(torch_logits(network, test.images), test.labels), accuracy(views, test.labels)


def _command(options: argparse.Namespace) -> str:
    data = (" --data DIR" if options.data else "") + (f" --from {options.backbone}" if options.backbone else "")
    settings = "".join(f" --set {setting}" for setting in options.settings)
    return f"python -m training measure {options.recipe}{data}{settings} --seeds {options.seeds}"
