"""What is known of many images: the same in whatever order and parts it was merged, and equal to numpy over all."""

import json
from functools import reduce
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from service.engine.layer_report import LayerReport
from service.errors import InvalidParameterError
from service.inspection.live.running_statistics import Activations, activations, merged, merged_layers, packed, unpacked

REPORT = LayerReport(
    id="conv",
    mean=0,
    std=1,
    min=-1,
    max=1,
    zeros=0,
    dead_channels=(),
    channel_means=(0.0, 1.0, 5.0),
    channel_stds=(1.0, 2.0, 0.0),
    edges=(-1.0, 0.0, 1.0),
    counts=(1, 1, 1, 1),
)
# Of a size at which float64 sums of squares say nothing any more about rounding.
VALUES = st.floats(-1e3, 1e3, width=32) | st.just(0.0)
IMAGES = st.integers(1, 6).flatmap(lambda count: hnp.arrays(np.float32, (count, 3, 2, 2), elements=VALUES))


def seen(images: np.ndarray) -> list[Activations]:
    return [activations(image[None], REPORT) for image in images]


def all_of(images: np.ndarray) -> Activations:
    return reduce(merged, seen(images))


def agree(one: Activations, other: Activations) -> bool:
    exact = ("images", "not_finite", "zeros", "min", "max", "dead_channels")
    close = [(a, b) for a, b in zip(moments(one), moments(other), strict=True)]
    return (
        all(getattr(one, name) == getattr(other, name) for name in exact)
        and np.array_equal(one.bins, other.bins)
        and all(np.allclose(a, b, rtol=1e-6, atol=1e-4) for a, b in close)
    )


def moments(of: Activations) -> list[np.ndarray]:
    return [part for of in (of.values, of.channels) for part in (of.count, of.mean, of.std)]


@given(IMAGES)
def test_images_seen_one_by_one_give_what_numpy_says_of_all_together(images: np.ndarray) -> None:
    together = all_of(images)
    exact = images.astype(np.float64)
    assert (together.images, together.not_finite) == (len(images), 0)
    assert (together.min, together.max) == (exact.min(), exact.max())
    assert together.zeros == (exact == 0).sum()
    assert together.values.count == exact.size
    assert together.values.mean == pytest.approx(exact.mean(), abs=1e-9)
    assert together.values.std == pytest.approx(exact.std(), abs=1e-4)
    of_channels = exact.mean(axis=(2, 3))
    np.testing.assert_allclose(together.channels.mean, of_channels.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(together.channels.std, of_channels.std(axis=0), atol=1e-4)
    assert together.dead_channels == tuple(np.flatnonzero((exact == 0).all(axis=(0, 2, 3))))


@given(IMAGES, st.randoms(use_true_random=False), st.integers(1, 5))
def test_neither_the_order_nor_the_parts_matter(images: np.ndarray, random: Random, cut: int) -> None:
    shuffled = seen(images)
    random.shuffle(shuffled)
    parts = [part for part in (shuffled[:cut], shuffled[cut:]) if part]
    assert agree(reduce(merged, (reduce(merged, part) for part in reversed(parts))), all_of(images))


@given(IMAGES)
def test_a_mean_falls_into_the_bin_of_its_deviations_from_training(images: np.ndarray) -> None:
    means = images.astype(np.float64).mean(axis=(2, 3))
    standard = np.concatenate([means[:, 0], (means[:, 1] - 1) / 2])  # the third was constant in training
    expected = [
        (standard <= -1).sum(),
        ((standard > -1) & (standard <= 0)).sum(),
        ((standard > 0) & (standard <= 1)).sum(),
        (standard > 1).sum(),
    ]
    assert all_of(images).bins.tolist() == expected


def test_a_variance_far_from_zero_loses_no_digits() -> None:
    images = 1e6 + np.random.default_rng(0).normal(size=(50, 1, 8, 8))
    together = reduce(merged, (activations(image[None]) for image in images))
    assert together.values.std == pytest.approx(images.std(), rel=1e-9)


def test_values_that_are_not_finite_are_counted_and_left_out() -> None:
    values = np.array([[[[np.nan, 1.0]], [[2.0, np.inf]], [[3.0, 5.0]]]], np.float32)
    of = merged(activations(values), activations(np.zeros_like(values)))
    assert (of.not_finite, of.min, of.max, int(of.values.count), of.zeros) == (2, 0, 5, 10, 6)
    assert of.channels.count.tolist() == [1, 1, 2]  # the images of which all values of the channel are finite
    assert of.channels.mean.tolist() == [0, 0, 2]
    assert of.dead_channels == ()


def test_a_layer_without_any_finite_value_has_no_range_and_moves_no_mean() -> None:
    nothing, one = activations(np.full((1, 2), np.nan)), activations(np.full((1, 2), 7.0))
    assert nothing.min > nothing.max
    for both in (merged(nothing, one), merged(one, nothing)):
        assert (both.min, both.max, float(both.values.mean), float(both.values.std)) == (7, 7, 7, 0)


def test_other_ranks_count_as_one_channel_and_an_empty_tensor_as_none_of_anything() -> None:
    assert activations(np.ones((1, 4, 6))).dead_channels == ()
    assert activations(np.zeros((4, 6, 2), np.int64)).dead_channels == (0,)
    empty = activations(np.zeros((1, 3, 0, 0)))
    assert (int(empty.values.count), empty.dead_channels) == (0, (0, 1, 2))


def test_a_number_of_channels_that_changes_from_image_to_image_gives_the_values_only() -> None:
    both = merged(activations(np.ones((1, 3))), activations(np.zeros((1, 4))))
    assert (both.images, int(both.values.count), both.zeros) == (2, 7, 4)
    assert (len(both.active), len(both.channels.mean)) == (0, 0)


def test_what_holds_no_numbers_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match="it holds no numbers"):
        activations(np.array(["a"]))


@given(IMAGES)
def test_another_process_gets_it_through_json_as_it_was(images: np.ndarray) -> None:
    of = all_of(images)
    received = unpacked(json.loads(json.dumps(packed(of))))
    assert agree(received, of)
    assert agree(merged(received, of), merged(of, of))


def test_a_range_that_nothing_was_in_goes_through_json_too() -> None:
    received = unpacked(json.loads(json.dumps(packed(activations(np.full((1, 2), np.nan))), allow_nan=False)))
    assert (received.min, received.max) == (np.inf, -np.inf)


def test_layers_keep_their_order_and_what_one_part_lacks() -> None:
    one, two = activations(np.ones((1, 2))), activations(np.zeros((1, 2)))
    together = merged_layers([{"conv": one, "dense": one}, {"dense": two}, {"late": two}])
    assert list(together) == ["conv", "dense", "late"]
    assert [of.images for of in together.values()] == [1, 2, 1]
