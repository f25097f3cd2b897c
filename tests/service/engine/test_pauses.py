"""Where other threads are let on while a large model is read: behind each copy that holds them up."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from service.engine.deserialization import model_of
from service.engine.serialization import serialized, without_large_values

MIB = 2**20


def model(mib: int) -> onnx.ModelProto:
    weight = numpy_helper.from_array(np.ones(mib * MIB // 4, np.float32), "weight")
    made: onnx.ModelProto = helper.make_model(helper.make_graph([], "weights", [], [], [weight]))
    return made


@pytest.fixture
def paused(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long each pause would have been."""
    found: list[float] = []
    monkeypatch.setattr("service.engine.pauses.time.sleep", found.append)
    return found


def test_others_are_let_on_behind_each_copy_of_a_large_weight(paused: list[float]) -> None:
    large = serialized(model(17))
    found = model_of(large)
    assert len(paused) == 2  # of its bytes, and into the message
    assert not without_large_values(found).graph.initializer[0].raw_data
    assert len(paused) == 3
    assert all(seconds > 0 for seconds in paused)


def test_what_is_small_is_read_without_a_pause(paused: list[float]) -> None:
    without_large_values(model_of(serialized(model(15))))
    assert paused == []
