"""`probe` and `rate` on the digits: what a person reads, and can set."""

import argparse
import re

import pytest

from training.commands import probe
from training.errors import LearningRateNotFoundError
from training.recipes import recipe_named, with_settings


def asked(*arguments: str) -> None:
    parser = argparse.ArgumentParser()
    probe.add(parser.add_subparsers())
    options = parser.parse_args([*arguments, "--device", "cpu"])
    options.command(options)


def test_rate_prints_the_losses_and_a_rate_that_can_be_set(capsys: pytest.CaptureFixture[str]) -> None:
    asked("rate", "digits", "--steps", "40")
    *losses, advice = capsys.readouterr().out.splitlines()
    assert 10 <= len(losses) <= 25
    assert losses[0].startswith("rate    1e-06  loss 2.")
    found = re.fullmatch(r"steepest descent: --set (max_learning_rate=[\d.e-]+)", advice)
    assert found is not None
    assert 1e-4 < with_settings(recipe_named("digits"), [found[1]]).max_learning_rate < 1


def test_rate_says_where_the_loss_falls_nowhere() -> None:
    with pytest.raises(LearningRateNotFoundError, match="the loss falls nowhere at rates from 1e-06 to 1e-06"):
        asked("rate", "digits", "--steps", "1")


def test_probe_prints_a_line_for_each_choice_as_it_is_set(capsys: pytest.CaptureFixture[str]) -> None:
    asked("probe", "digits", "--seconds", "0.01")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    for line in lines:
        assert re.fullmatch(r" *[\d,]+ images/s  --set bfloat16=\w+ --set channels_last=\w+ --set compiled=false", line)
