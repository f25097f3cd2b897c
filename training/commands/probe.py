"""`probe RECIPE` and `rate RECIPE`: how fast this machine trains it, and at which learning rate its loss falls."""

import argparse
from functools import partial

from training.commands import arguments
from training.commands.loading import input_shape, loaded
from training.datasets.placement import placed
from training.learning.group import joined
from training.learning.trial import trial_step
from training.networks.named import architecture_named
from training.recipes import recipe_named, with_settings
from training.runs.plan import Plan
from training.runs.session import begun
from training.tuning.learning_rate_finder import RangeTest, range_test
from training.tuning.probing import probe

LINES = 25  # of the table of losses, whatever the number of steps


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    speed = commands.add_parser(
        "probe", help="how fast this machine trains a recipe's network, by choice of arithmetic"
    )
    _add_asked(speed)
    speed.add_argument("--compiled", action="store_true", help="try torch.compile too: a minute more for each choice")
    speed.add_argument("--seconds", type=float, default=2.0, metavar="S", help="for each choice (default: 2)")
    speed.set_defaults(command=_probe)
    rate = commands.add_parser("rate", help="raise the learning rate step by step: at which one the loss falls fastest")
    _add_asked(rate)
    arguments.data(rate)
    rate.add_argument("--steps", type=arguments.count, default=100, metavar="N", help="default: 100")
    rate.set_defaults(command=_rate)


def _add_asked(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE", help="a name that `list` shows")
    arguments.settings(parser)
    arguments.device(parser)


def _probe(options: argparse.Namespace) -> None:
    recipe = with_settings(recipe_named(options.recipe), options.settings)
    architecture, shape = architecture_named(recipe.network), input_shape(recipe)
    with joined(options.device) as group:
        build = partial(architecture.build, architecture.classes)
        speeds = probe(build, shape, recipe, group.device, seconds=options.seconds, compiled=options.compiled)
    for speed in speeds:
        settings = " ".join(f"--set {setting}" for setting in speed.settings)
        print(f"{speed.images_per_second:10,.0f} images/s  {settings}")


def _rate(options: argparse.Namespace) -> None:
    recipe = with_settings(recipe_named(options.recipe), options.settings)
    plan = Plan(recipe=recipe, name=recipe.name, data=options.data, skip_unreadable=options.skip_unreadable)
    with joined(options.device) as group:
        session = begun(plan, loaded(plan, group, fetch=options.download), group)
        training = placed(session.training, group.device)
        step = trial_step(session.state, training, len(session.dataset.class_names), recipe, group.device)
        found = range_test(step, steps=options.steps)
    _print_losses(found)
    print(f"steepest descent: --set max_learning_rate={found.suggestion:.2g}")


def _print_losses(found: RangeTest) -> None:
    every = -(-len(found.rates) // LINES)
    for rate, loss in list(zip(found.rates, found.losses, strict=True))[::every]:
        print(f"rate {rate:8.2g}  loss {loss:.4f}")
