"""Statistics against numpy's own, and on values that break naive formulas."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from service.errors import InvalidParameterError
from service.inspection.maps.statistics import channel_statistics, layer_statistics, together

SHAPES = hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4)


def test_the_moments_are_those_of_all_values() -> None:
    values = np.random.default_rng(0).normal(3, 2, (1, 6, 5, 4)).astype(np.float32)
    stated = layer_statistics(values)
    assert stated.shape == (1, 6, 5, 4)
    assert stated.min == values.min()
    assert stated.max == values.max()
    assert stated.mean == pytest.approx(values.mean(dtype=np.float64))
    assert stated.std == pytest.approx(values.std(dtype=np.float64))


def test_the_histogram_is_numpys() -> None:
    values = np.random.default_rng(1).normal(size=(1, 6, 50, 4))
    histogram = layer_statistics(values).histogram
    counts, edges = np.histogram(values, bins=20)
    assert histogram is not None
    assert histogram.counts == tuple(counts)
    assert histogram.edges == pytest.approx(edges)


def test_a_single_value_falls_into_a_bin_of_its_own() -> None:
    histogram = layer_statistics(np.full((1, 2), 7.0)).histogram
    assert histogram is not None
    assert (sum(histogram.counts), histogram.edges[0], histogram.edges[-1]) == (2, 6.5, 7.5)


def test_zeros_and_dead_channels_are_counted_exactly() -> None:
    values = np.zeros((1, 4, 2, 2), np.float32)
    values[0, 1, 0, 0] = -1e-30
    values[0, 3] = 5
    stated = layer_statistics(values)
    assert stated.dead_channels == (0, 2)
    assert stated.zeros == 11 / 16
    assert [channel.zeros for channel in channel_statistics(values)] == [1, 0.75, 1, 0]


def test_units_of_a_dense_layer_are_its_channels() -> None:
    values = np.array([[0.0, 2.0, 0.0]], np.float32)
    assert layer_statistics(values).dead_channels == (0, 2)
    assert [channel.max for channel in channel_statistics(values)] == [0, 2, 0]


@pytest.mark.parametrize("shape", [(), (3,), (1, 3, 2), (1, 3, 2, 2, 2), (1, 0, 2, 2)])
def test_a_tensor_without_a_channel_axis_has_no_dead_channels(shape: tuple[int, ...]) -> None:
    assert layer_statistics(np.zeros(shape, np.float32)).dead_channels is None
    assert channel_statistics(np.zeros(shape, np.float32)) == ()


def test_nan_and_infinity_are_counted_and_left_out() -> None:
    values = np.array([[[[np.nan, 1.0]], [[np.inf, -np.inf]], [[2.0, 0.0]]]], np.float32)
    stated = layer_statistics(values)
    assert (stated.nan, stated.inf) == (1, 2)
    assert (stated.min, stated.mean, stated.max, stated.zeros) == (0, 1, 2, 1 / 3)
    first, second, third = channel_statistics(values)
    assert (first.min, first.mean, first.max, first.zeros) == (1, 1, 1, 0)
    assert (second.min, second.mean, second.max, second.zeros) == (None, None, None, None)
    assert third.mean == 1


def test_a_channel_of_nan_is_not_dead() -> None:
    assert layer_statistics(np.full((1, 1, 2, 2), np.nan)).dead_channels == ()


def test_each_channel_has_the_statistics_of_its_own_values() -> None:
    values = np.random.default_rng(2).normal(size=(1, 5, 3, 4)).astype(np.float16)
    for index, channel in enumerate(channel_statistics(values)):
        own = values[0, index].astype(np.float64)
        assert (channel.channel, channel.min, channel.max) == (index, own.min(), own.max())
        assert channel.mean == pytest.approx(own.mean())
        assert channel.std == pytest.approx(own.std())


def test_channels_are_counted_in_the_bins_of_the_layer() -> None:
    values = np.random.default_rng(3).normal(size=(1, 4, 6, 7))
    values[0, 1, 0, 0] = np.nan
    histogram = layer_statistics(values).histogram
    channels = channel_statistics(values, histogram=histogram)
    assert histogram is not None
    for index, channel in enumerate(channels):
        own = values[0, index][np.isfinite(values[0, index])]
        assert channel.counts == tuple(np.histogram(own, bins=np.array(histogram.edges))[0])
    assert sum(sum(channel.counts or ()) for channel in channels) == sum(histogram.counts)


def test_channels_that_come_last_are_found_by_their_axis() -> None:
    values = np.random.default_rng(2).normal(size=(1, 5, 3, 4))
    values[0, 2] = 0
    last = values.transpose(0, 2, 3, 1)
    assert layer_statistics(last, 3).dead_channels == layer_statistics(values).dead_channels == (2,)
    assert [one.max for one in channel_statistics(last, 3)] == [one.max for one in channel_statistics(values)]


def test_the_statistics_of_several_images_together_are_those_of_all_their_values() -> None:
    images = np.random.default_rng(4).normal(1, 2, (5, 3, 4, 4))
    images[:, 1] = 0
    images[2, 0] = 0
    images[3, 2, 0, 0] = np.inf
    finite = images[np.isfinite(images)]
    stated = together([layer_statistics(image[None]) for image in images])
    assert (stated.images, stated.min, stated.max, stated.inf) == (5, finite.min(), finite.max(), 1)
    assert stated.mean == pytest.approx(finite.mean())
    assert stated.std == pytest.approx(finite.std())
    assert stated.zeros == pytest.approx((finite == 0).mean())
    assert stated.dead_channels == (1,)


def test_images_without_a_finite_value_have_no_moments_together() -> None:
    stated = together([layer_statistics(np.full((1, 2), np.nan))] * 2)
    assert (stated.min, stated.mean, stated.max, stated.std, stated.zeros, stated.nan) == (None,) * 5 + (4,)


@given(st.lists(hnp.arrays(np.float64, (1, 2, 2)), min_size=1, max_size=3))
def test_no_field_of_any_images_together_is_nan_or_infinite(images: list[np.ndarray]) -> None:
    json.dumps(together([layer_statistics(image) for image in images]).model_dump(), allow_nan=False)


@given(hnp.arrays(np.float64, SHAPES) | hnp.arrays(np.float32, SHAPES) | hnp.arrays(np.float16, SHAPES))
def test_no_field_of_any_tensor_is_nan_or_infinite(values: np.ndarray) -> None:
    stated = layer_statistics(values)
    json.dumps(stated.model_dump(), allow_nan=False)
    json.dumps([channel.model_dump() for channel in channel_statistics(values)], allow_nan=False)
    counted = sum(stated.histogram.counts) if stated.histogram else 0
    assert counted + stated.nan + stated.inf == values.size


@given(hnp.arrays(np.int64, (1, 3, 2, 2), elements=st.integers(-9, 9)) | hnp.arrays(np.bool_, (1, 3, 2, 2)))
def test_whole_numbers_and_truth_values_are_numbers_too(values: np.ndarray) -> None:
    assert layer_statistics(values).max == values.max()


def test_a_layer_of_text_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match="ask for a layer that holds numbers"):
        layer_statistics(np.array(["cat"]))


def test_every_field_of_the_schema_is_described() -> None:
    schema = layer_statistics(np.zeros(1)).model_json_schema()
    assert all("description" in field for field in schema["properties"].values())
