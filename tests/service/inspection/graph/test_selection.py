import pytest

from service.errors import UnknownLayerError
from service.inspection.graph.layers import layers
from service.inspection.graph.selection import selected
from tests import tiny_models

LAYERS = layers(tiny_models.classifier())


def ids(*wanted: str) -> list[str]:
    return [layer.id for layer in selected(LAYERS, wanted)]


def test_layers_are_found_by_id_alias_kind_and_pattern() -> None:
    assert ids("conv") == ids("conv_1") == ids("con*") == ["conv"]
    assert ids("relu") == ["relu_1"]


def test_a_layer_named_twice_comes_once_and_in_the_networks_order() -> None:
    assert ids("dense", "conv", "conv_1") == ["conv", "dense"]


def test_the_star_means_all() -> None:
    assert ids("*") == [layer.id for layer in LAYERS]


def test_a_name_that_means_nothing_is_an_error_with_the_nearest_names() -> None:
    with pytest.raises(UnknownLayerError, match="no layer named 'con_1'; nearest names: conv"):
        ids("con_1")
