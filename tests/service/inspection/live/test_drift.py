"""When a layer has drifted: never by chance, always where the images are others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.engine.layer_report import LayerReport, TrainingReport
from service.inspection.live.drift import Drift, drift, images_needed, stability_index
from service.inspection.live.running_statistics import Activations, activations, merged_layers
from training.files.layer_statistics import layer_report

CHANNELS = 6
COUNTS = st.lists(st.integers(0, 1000), min_size=5, max_size=5).filter(any).map(np.array)


def maps(seed: int, images: int, *, shift: float = 0.0, scale: float = 1.0, dead: tuple[int, ...] = ()) -> np.ndarray:
    """Images of one layer, [images, channels, 4, 4], whose channels' means differ from image to image."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(images, CHANNELS, 1, 1)) + random.normal(size=(images, CHANNELS, 4, 4))
    values[:, dead] = 0
    return np.where(values == 0, 0, values * scale + shift)


def each(values: np.ndarray, report: LayerReport | None = None) -> list[Activations]:
    return [activations(image[None], report) for image in values]


def trained(values: np.ndarray) -> LayerReport:
    return layer_report("conv", each(values))


def drift_of(values: np.ndarray, report: LayerReport) -> Drift:
    seen = merged_layers({"conv": of} for of in each(values, report))["conv"]
    return drift(seen, report, enough=True)


@pytest.fixture(scope="module")
def report() -> LayerReport:
    return trained(maps(0, 1000))


@pytest.mark.parametrize("seed", range(1, 6))
def test_other_images_of_the_same_kind_are_no_drift(report: LayerReport, seed: int) -> None:
    found = drift_of(maps(seed, 200), report)
    assert found.drifted is False
    assert found.shifted_channels == ()
    assert found.mean_shift == pytest.approx(0, abs=0.1)
    assert found.std_ratio == pytest.approx(1, abs=0.1)


def test_brighter_and_flatter_images_are_drift_and_each_figure_says_its_part(report: LayerReport) -> None:
    shifted, flat = drift_of(maps(1, 200, shift=1.5), report), drift_of(maps(1, 200, scale=0.3), report)
    assert shifted.drifted
    assert shifted.shifted_channels == tuple(range(CHANNELS))
    assert shifted.mean_shift == pytest.approx(1.5 / report.std, abs=0.1)
    assert shifted.channel_shift == pytest.approx(1.5 / report.channel_stds[0], abs=0.3)
    assert flat.drifted
    assert flat.shifted_channels == ()
    assert flat.std_ratio == pytest.approx(0.3, abs=0.05)


def test_channels_that_move_against_each_other_are_drift_though_the_layer_stays_where_it_was(
    report: LayerReport,
) -> None:
    values = maps(1, 200)
    values[:, ::2] += 1
    values[:, 1::2] -= 1
    found = drift_of(values, report)
    assert found.mean_shift == pytest.approx(0, abs=0.1)
    assert found.drifted
    assert found.channel_shift is not None
    assert found.channel_shift > 0.5


def test_values_outside_of_trainings_range_are_shares_of_it(report: LayerReport) -> None:
    values = maps(1, 200).clip(report.min, report.max)
    extent = report.max - report.min
    values[0, 0, 0, 0], values[1, 0, 0, 0] = report.max + extent, report.min - extent / 2
    found = drift_of(values, report)
    assert found.above_range == pytest.approx(1)
    assert found.below_range == pytest.approx(0.5)


def test_channels_that_died_and_that_woke_are_named() -> None:
    found = drift_of(maps(1, 200, dead=(1,)), trained(maps(0, 500, dead=(4,))))
    assert (found.newly_dead, found.newly_alive) == ((1,), (4,))


def test_too_few_images_have_figures_and_no_verdict(report: LayerReport) -> None:
    seen = each(maps(1, 1, shift=9), report)[0]
    found = drift(seen, report, enough=False)
    assert found.drifted is None
    assert found.psi is not None


def test_a_layer_that_never_varied_in_training_has_nothing_to_measure_by() -> None:
    found = drift_of(maps(1, 200), trained(np.full((50, CHANNELS, 4, 4), 2.0)))
    assert (found.drifted, found.psi, found.channel_shift, found.mean_shift) == (None, None, None, None)


def test_a_layer_of_another_size_than_reported_gets_figures_of_its_values_only(report: LayerReport) -> None:
    found = drift_of(maps(1, 200)[:, :3], report)
    assert (found.drifted, found.psi, found.channel_shift, found.newly_dead) == (None, None, None, ())
    assert found.mean_shift is not None


@given(COUNTS, COUNTS)
def test_the_index_is_symmetric_and_zero_only_between_equal_shares(one: np.ndarray, other: np.ndarray) -> None:
    index = stability_index(one, other)
    assert index == pytest.approx(stability_index(other, one))
    assert index is not None
    assert index >= 0
    assert stability_index(one, one) == 0


def test_the_index_is_the_sum_of_the_textbook() -> None:
    live, training = np.array([20, 30, 50]) * 10**6, np.array([10, 30, 60]) * 10**6
    expected = (0.2 - 0.1) * np.log(0.2 / 0.1) + (0.5 - 0.6) * np.log(0.5 / 0.6)
    assert stability_index(live, training) == pytest.approx(expected, rel=1e-4)


def test_the_index_is_unknown_where_nothing_was_counted() -> None:
    assert stability_index(np.zeros(3), np.ones(3)) is None
    assert stability_index(np.ones(3), np.zeros(3)) is None


@pytest.mark.parametrize(("images", "needed"), [(1000, 200), (334, 333), (166, None), (1, None)])
def test_the_fewer_images_the_report_is_of_the_more_are_needed(images: int, needed: int | None) -> None:
    assert images_needed(TrainingReport(dataset="some", images=images, layers=())) == needed
