"""The probe: every choice is tried, the fastest stands first, and nothing of the caller's is touched."""

from dataclasses import replace

import torch

from training.networks.digits_cnn import digits_cnn
from training.recipes.digits import DIGITS
from training.recipes.recipe import with_settings
from training.tuning.probing import probe

SMALL = replace(DIGITS, batch_size=8)
CPU = torch.device("cpu")


def test_every_choice_of_arithmetic_is_measured_and_the_fastest_stands_first() -> None:
    speeds = probe(digits_cnn, (8, 8, 1), SMALL, CPU, seconds=0.01)
    assert {speed.settings for speed in speeds} == {
        (f"bfloat16={bfloat16}", f"channels_last={channels_last}", "compiled=false")
        for bfloat16 in ("false", "true")
        for channels_last in ("false", "true")
    }
    figures = [speed.images_per_second for speed in speeds]
    assert figures == sorted(figures, reverse=True)
    assert figures[-1] > 0


def test_what_the_probe_prints_can_be_set() -> None:
    fastest = probe(digits_cnn, (8, 8, 1), SMALL, CPU, seconds=0.0)[0]
    changed = with_settings(SMALL, fastest.settings)
    assert f"bfloat16={str(changed.bfloat16).lower()}" in fastest.settings


def test_the_probe_leaves_torchs_generator_as_it_was() -> None:
    state = torch.get_rng_state()
    probe(digits_cnn, (8, 8, 1), SMALL, CPU, seconds=0.0)
    assert torch.equal(torch.get_rng_state(), state)


def test_each_choice_has_a_new_network() -> None:
    built = []

    def build() -> torch.nn.Module:
        built.append(digits_cnn())
        return built[-1]

    probe(build, (8, 8, 1), SMALL, CPU, seconds=0.0)
    assert len(built) == 4
