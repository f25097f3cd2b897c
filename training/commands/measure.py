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
from training.evaluation import accuracy, torch_logits
from training.files.provenance import commit
from training.files.publishing import refuse_existing, version_path
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
    recipe = with_settings(recipe_named(options.recipe), options.settings)
    out = options.publish or Path("models")
    if options.publish is not None:
        refuse_existing(version_path(out, recipe.name, version) for version in (UNTRAINED, TRAINED))
    with joined(options.device) as group:
        first = Plan(
            recipe=recipe,
            name=recipe.name,
            data=options.data,
            out=out,
            backbone=options.backbone,
            skip_unreadable=options.skip_unreadable,
        )
        where = hardware(group)
        evidence = _begun(recipe, where, options)
        for seed in range(len(evidence.accuracies) if evidence else 0, options.seeds):
            run = _run(replace(first, seed=seed), group, options)
            evidence = _with(evidence, run, recipe, where, options)
            print(f"{recipe.name}: {evidence.sentence}, {evidence.time}", flush=True)
            if options.write:
                _keep(evidence)


def _begun(recipe: Recipe, where: str, options: argparse.Namespace) -> Evidence | None:
    """What a measurement that was stopped has kept of the same recipe on the same hardware."""
    found = evidence_of(recipe) if options.write else None
    return found if found and found.hardware == where and len(found.accuracies) < options.seeds else None


def _keep(evidence: Evidence) -> None:
    file = evidence_file(evidence.recipe)
    file.parent.mkdir(exist_ok=True)
    file.write_text(evidence.model_dump_json(indent=2) + "\n")


def _run(plan: Plan, group: Group, options: argparse.Namespace) -> Measured:
    first = plan.seed == 0
    session = begun(plan, loaded(plan, group, fetch=options.download and first), group)
    began = time.perf_counter()
    follow(session.events(), plan.recipe.epochs, Console())
    seconds = time.perf_counter() - began
    plain, views = accuracies(session)
    print(f"seed {plan.seed}: {plain:.2%}, with {plan.recipe.test_time} views {views:.2%}, {seconds:.1f} s", flush=True)
    if first and options.publish is not None:
        sentences.say(published(session))
    return Measured(plain, views, round(seconds, 1), session.dataset.description)


def _with(before: Evidence | None, run: Measured, recipe: Recipe, where: str, options: argparse.Namespace) -> Evidence:
    """The evidence with one more seed."""
    views = (run.test_time,) if recipe.test_time != "none" else ()
    return Evidence(
        recipe=recipe.name,
        settings=written(recipe),
        dataset=run.dataset,
        accuracies=(*(before.accuracies if before else ()), run.accuracy),
        test_time=(*(before.test_time if before else ()), *views),
        seconds=(*(before.seconds if before else ()), run.seconds),
        hardware=where,
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        commit=commit(),
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
