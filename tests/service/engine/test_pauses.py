"""Where other threads are let on while a large model is read: behind each copy that holds them up."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from service.engine.deserialization import parted
from service.engine.session_model import apart

MIB = 2**20


def constant(mib: int) -> bytes:
    """A model whose values are an attribute, which only protobuf reads."""
    value = numpy_helper.from_array(np.ones(mib * MIB // 4, np.float32))
    node = helper.make_node("Constant", [], ["y"], value=value)
    return bytes(helper.make_model(helper.make_graph([node], "constant", [], [])).SerializeToString())


def weight(mib: int, dims: int = 0) -> bytes:
    tensor = numpy_helper.from_array(np.ones(mib * MIB // 4, np.float32), "weight")
    tensor.dims[0] = dims or tensor.dims[0]
    return bytes(helper.make_model(helper.make_graph([], "weights", [], [], [tensor])).SerializeToString())


@pytest.fixture
def paused(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long each pause would have been."""
    found: list[float] = []
    monkeypatch.setattr("service.engine.pauses.time.sleep", found.append)
    return found


def test_others_are_let_on_behind_each_copy_of_a_large_attribute(paused: list[float]) -> None:
    parted(constant(17))
    assert len(paused) == 2  # of its bytes, and into the message
    assert all(seconds > 0 for seconds in paused)


def test_and_of_a_large_weight_that_cannot_be_handed_over(paused: list[float]) -> None:
    """As one that no node reads."""
    apart(parted(weight(17)))
    assert len(paused) == 1


def test_and_of_a_large_weight_that_has_not_what_it_says(paused: list[float]) -> None:
    parted(weight(17, dims=1))
    assert len(paused) == 1


@pytest.mark.parametrize("data", [constant(15), weight(17), onnx.ModelProto().SerializeToString()])
def test_what_is_small_or_stays_where_it_lies_is_read_without_a_pause(data: bytes, paused: list[float]) -> None:
    parted(data)
    assert paused == []
