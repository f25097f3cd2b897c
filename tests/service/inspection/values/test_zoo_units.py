"""One value of each kind of layer, re-derived, in the networks of the zoo: what ONNX Runtime computed, or a reason."""

from pathlib import Path

import numpy as np
import pytest

from service.errors import FoveaError, InvalidParameterError
from service.inspection.graph.layers import Layer
from service.inspection.network import Network
from service.inspection.values.unit import UnitQuery, derived_unit
from service.inspection.values.units.rules import RULES
from tests import inspected, zoo

# Larger ones take long to draw, and their layers are those of the others.
_MOST_PARAMETERS = 15_000_000
_NAMES = sorted(name for name, facts in zoo.facts().items() if (facts["parameters"] or 0) <= _MOST_PARAMETERS)
_ALL_QUANTIZED = {"resnet20_qoperator"}  # operators of 8-bit integers are not re-derived, and say so
_AXES = {1: ("channel",), 2: ("channel", "x"), 3: ("channel", "y", "x")}
_DENSE_AXES = {1: ("channel",), 2: ("x", "channel"), 3: ("y", "x", "channel")}


def saturates() -> bool:
    """Whether this CPU adds pairs of 8-bit products in 16 bits (AVX2 without VNNI): then ONNX Runtime itself is off."""
    about = Path("/proc/cpuinfo")
    flags = set(about.read_text().split()) if about.exists() else set()
    return "avx2" in flags and not flags & {"avx512_vnni", "avx_vnni"}


def opened(name: str) -> Network:
    return inspected.network(zoo.network(name))


def one_of_each_kind(network: Network) -> list[Layer]:
    by_kind: dict[str, list[Layer]] = {}
    for layer in network.layers:
        if layer.kind in RULES:
            by_kind.setdefault(layer.kind, []).append(layer)
    return [found[len(found) // 2] for found in by_kind.values()]


@pytest.mark.parametrize("name", _NAMES)
def test_one_value_of_each_kind_of_layer(name: str) -> None:
    if name == "resnet20_qdq" and saturates():
        pytest.skip("this CPU's sums of 8-bit products saturate, for want of VNNI")
    network = opened(name)
    image = inspected.image(network)
    random = np.random.default_rng(0)
    agreeing = 0
    for layer in one_of_each_kind(network):
        try:
            shape = network.values([layer.output], image)[layer.output].shape[1:]
            axes = (_DENSE_AXES if layer.kind == "dense" else _AXES).get(len(shape), ())
            query = UnitQuery(**{axis: int(random.integers(size)) for axis, size in zip(axes, shape, strict=False)})
            found = derived_unit(network, layer.id, image, query)
        except InvalidParameterError as refusal:
            assert refusal.remedy  # noqa: PT017 - a layer may be beyond the rules, with a reason
            continue
        except FoveaError as error:
            pytest.fail(f"{layer.id}: {error}")
        assert found.agrees, (layer.id, layer.kind, found.value, found.runtime, found.text)
        assert all(each.agrees for each in found.followed_by), (layer.id, found.followed_by)
        agreeing += 1
    assert agreeing or name in _ALL_QUANTIZED
